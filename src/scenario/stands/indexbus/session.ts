import type { Operation } from '../../../checkers/history.ts';
import type { BusEvent } from '../../../checkers/indexbus/events.ts';
import { indexBusChecks } from '../../../checkers/indexbus/index.ts';
import { indexbusConfigSchema } from '../../../engines/indexbus/config.ts';
import type { RunningIndexbus } from '../../../engines/indexbus/engine.ts';
import { Header, SegmentState } from '../../../engines/indexbus/layout.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import { FaultError } from '../../../faults/fault.ts';
import { registerParticipants } from '../../../faults/sharedMemoryControl.ts';
import type { Host } from '../../../host/host.ts';
import type { Machine } from '../../../sim/machine.ts';
import { mergeTables } from '../../mergeTables.ts';
import {
  type Check,
  type CheckResult,
  type LoadContext,
  OperatorError,
  type StandContext,
  type StandSession,
} from '../stand.ts';
import { routerDocument } from './configuration.ts';
import type { IndexBusDevices } from './devices.ts';
import { HeldSources } from './heldSources.ts';
import type { IndexBusLoad } from './loadSchema.ts';
import { machineServices } from './machineServices.ts';
import { Preemption } from './preemption.ts';
import { RouterThread } from './routerThread.ts';
import { type OwnSlots, slotPlaces } from './slotPlaces.ts';
import { Takeovers } from './takeovers.ts';
import { createVerbs } from './verbs.ts';
import { Waits } from './waits.ts';
import { watchStart } from './watchedEngine.ts';
import type { BusBook } from './witness/busBook.ts';
import { Books, watchMemory } from './witness/watchedMemory.ts';
import { wordNamed } from './wordNames.ts';
import { IndexBusWorkload } from './workload.ts';

/** How often what the bus tells of itself is compared with what happened. */
const tellEveryMs = 1_000;
/** How long the others may be held up by a death, beside what it takes to see it. */
const afterKillMs = 10;
/** Work that a router has before it, in virtual milliseconds, from which on it is behind. */
const arrearsMs = 1;
/** How long nothing may move before a bus counts as quiet: those who sleep over a lost wake look again by then. */
const quietMs = 2_000;

/** Begins a run of indexbus: routers and control planes on their machines, participants in containers, a book for each bus. */
export function openSession(context: StandContext): StandSession {
  const { world, control } = context;
  const devices = context.devices as IndexBusDevices; // parsed by `indexBusDevicesSchema`
  const books = new Books();
  const documents = new Map<string, Record<string, unknown>>();
  const running = new Map<string, RunningIndexbus>();
  const machines = new Map<string, Machine>();
  const threads = new Map<string, RouterThread>();
  const heldSources: HeldSources[] = [];
  const waits = new Waits(world, pollMs);
  const preemption = new Preemption({
    world,
    senders: () =>
      [...(load?.participants ?? [])].flatMap(([name, { process, send }]) =>
        process?.alive === true && send !== undefined ? [{ name, process, send }] : [],
      ),
  });
  let load: IndexBusWorkload | undefined;
  let evidence: readonly (readonly BusEvent[])[] | undefined;
  let quietSince: { readonly moved: number; readonly atMs: number } | undefined;

  for (const node of context.nodes) {
    const first = devices.machines.find((group) => group.includes(node))?.[0] ?? node;
    const within = first === node ? undefined : machines.get(first);
    machines.set(node, world.addMachine(node, within === undefined ? {} : { within }));
    documents.set(node, routerDocument(node, context.config, devices.config[node] ?? {}));
  }
  books.onBook = (book) => {
    const takeovers = new Takeovers(world, book, {
      standbys: () =>
        context.nodes.flatMap((node) => {
          const process = machines.get(node)?.process;
          return process !== undefined && isUndisturbed(node) && stateOf(node) === 'standby' ? [process] : [];
        }),
      isRouted: () => isNamed(book) && context.nodes.some((node) => isUndisturbed(node) && stateOf(node) === 'routing'),
      locksOutlive: () => [...machines.values()].some(({ sharedMemory }) => sharedMemory.locksOutlive),
      deathBoundMs: () => livenessMs() + pollMs() + afterKillMs,
      looksLeftOut: () => world.probes.buggifyFired.get('probe-late') ?? 0,
    });
    const held = new HeldSources(world, book, pollMs);
    heldSources.push(held);
    book.onEvent = (event) => {
      waits.saw(book, event);
      held.saw(event);
      takeovers.saw(event);
    };
  };
  tellAgain();
  registerParticipants(world, {
    stall: (name, hangs) => participantNamed(name).stall(hangs),
    interrupt(name, probability) {
      const participant = participantNamed(name);
      participant.interrupted = probability;
      return () => {
        participant.interrupted = 0;
      };
    },
    preempt: (name, probability) => preemption.begin(name, probability),
    stallRouter(name) {
      waits.disturb();
      const release = threads.get(name)?.hold();
      const since = world.now;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        release?.();
        for (const held of heldSources) held.excuse(world.now - since);
        lookAtHeld();
      };
    },
    hasOwnCore: (name) => threads.get(name)?.hasOwnCore ?? false,
    wordOf(memory, name) {
      const book = books.all.find(({ segment }) => segment.words.buffer === memory);
      if (book === undefined) throw new FaultError(`word ${name}: no bus is in this region`);
      return wordNamed(book.segment.layout, name);
    },
    damaged(memory) {
      for (const book of books.all) if (book.segment.words.buffer === memory) book.damage();
    },
  });

  function tellAgain(): void {
    world.scheduler.after(tellEveryMs, 'what the bus tells', undefined, tellAgain);
    for (const book of books.all) book.tell();
    lookAtHeld();
  }

  function lookAtHeld(): void {
    const routing = context.nodes.filter((node) => stateOf(node) === 'routing');
    // One that stands still is looked at when it goes on.
    if (routing.some((node) => threads.get(node)?.isHeld === true)) return;
    // One that is slow holds its sources up by itself.
    const areUndisturbed = routing.every(isUndisturbed);
    for (const held of heldSources) {
      if (areUndisturbed) held.look();
      else held.disturb();
    }
  }

  /** The longest sleep of a router. */
  function pollMs(): number {
    return Math.max(...[...documents.values()].map((document) => Number(document.router_poll_interval_us))) / 1_000;
  }

  /** The routers of a machine take a turn, as on a processor of their own. */
  function goOn(machine: Machine): void {
    for (const node of context.nodes) {
      if (machineOf(node) === machine && isUndisturbed(node)) running.get(node)?.node?.serving?.runner.turn?.();
    }
  }

  /** How long a dead holder of a seat may go unseen by the router that looks at it least often. */
  function livenessMs(): number {
    return Math.max(...[...documents.values()].map((document) => Number(document.liveness_check_ms ?? 500)));
  }

  /** Whether nothing but its own work decides how fast a router is. */
  function isUndisturbed(node: string): boolean {
    const machine = machines.get(node);
    if (machine?.slowFactor !== 1 || machine.process?.paused !== false || threads.get(node)?.isHeld === true)
      return false;
    // What came while it was slow is still before it.
    return machine.process.nextFreeMs - world.now < arrearsMs;
  }

  /** The process of a machine that has this pid, with its container's name. */
  function processOn(machine: Machine, pid: number) {
    for (const { name, process } of [machine, ...machine.containers]) {
      if (process?.pid === pid) return { name, process };
    }
    return undefined;
  }

  function stateOf(node: string): string {
    const started = running.get(node);
    if (started === undefined) return 'starting';
    if (started.node === undefined) return 'control';
    return started.node.serving === undefined ? 'standby' : 'routing';
  }

  function participantNamed(name: string) {
    const found = load?.participants.get(name);
    if (found === undefined) {
      const known = [...(load?.participants.keys() ?? [])].join(', ') || 'none';
      throw new FaultError(`participant ${name}: expected one of ${known}`);
    }
    return found;
  }

  /** The machine of a node, not the container. */
  function machineOf(node: string): Machine {
    const machine = machines.get(node);
    if (machine === undefined) throw new Error(`node ${node} is none of this stand's: ${context.nodes.join(', ')}`);
    return machine.within ?? machine;
  }

  /** Whether the memory of a bus still has a name: it goes with the power, and a generation that was rolled loses its name when its router has ended. */
  function isNamed({ segment: { words } }: BusBook): boolean {
    return [...machines.values()].some(({ sharedMemory }) =>
      [...sharedMemory.names].some((name) => sharedMemory.memoryOf(name) === words.buffer),
    );
  }

  /** Books of buses that are there and served: a segment that was replaced is nobody's. */
  function inService(): readonly BusBook[] {
    return books.all.filter(
      (book) => isNamed(book) && Atomics.load(book.segment.words, Header.state) !== SegmentState.retired,
    );
  }

  const checks: Record<string, Check> = {};
  for (const check of indexBusChecks) {
    checks[check.name] = () => {
      if (evidence === undefined) throw new Error(`${check.name} was asked before the evidence was collected`);
      return inAll(evidence.map((events) => check.run(events)));
    };
  }

  return {
    configuration: (node) => structuredClone(documents.get(node) ?? {}),
    primary: () => context.nodes.find((node) => running.get(node)?.node?.serving !== undefined),
    decorateHost(host, node) {
      const { process } = control.machine(node);
      if (process === undefined) throw new Error(`${node} got a host and has no process`);
      const batch = (): number => {
        // An operator may have changed it since it began.
        const config = running.get(node)?.node?.config ?? indexbusConfigSchema.parse(documents.get(node));
        return config.router_batch_size;
      };
      const thread = new RouterThread(process, typeof documents.get(node)?.router_cpu === 'number');
      threads.set(node, thread);
      const watched = watchMemory({
        books,
        process,
        host,
        routing: {
          batch,
          // What spins would take the rest of the run: it stands still from here on, and the run comes to its end.
          onSpin: () => thread.hold(),
          leftOut: () => world.probes.buggifyFired.get('skip-doorbell-scan') ?? 0,
        },
        atStep: () => preemption.before(node, undefined),
      });
      const given = startingNearWrap(thread.over(watched.host), devices['near wrap']);
      const services = machineServices(
        (pid) => processOn(machineOf(node), pid),
        (name) => load?.numaNodeOf(name) ?? 0,
      );
      watchStart(given, { services, started: (it) => running.set(node, it) });
      return given;
    },
    engineState: stateOf,
    nodeChanged(node, state) {
      waits.disturb();
      if (state === 'crashed' || state === 'stopped' || state === 'exited') running.delete(node);
    },
    startLoad(given: LoadContext) {
      load = new IndexBusWorkload(given.load as IndexBusLoad, {
        world,
        history: given.history,
        books,
        waits,
        machineOf,
        goOn,
        beforeAccess: (name, routerGoesOn) => preemption.before(name, routerGoesOn),
        note: context.note,
      });
      return load;
    },
    verbs: createVerbs({
      world,
      participant(name) {
        const found = load?.participants.get(name);
        if (found === undefined) throw new OperatorError(`Unit ${name} not found`);
        return found;
      },
      edit: (node, keys) => documents.set(node, mergeTables(documents.get(node) ?? {}, keys)),
    }),
    extraMetrics: (node) => load?.metricsOn(node) ?? [],
    async converged() {
      for (const node of context.nodes) {
        if (control.state(node) !== 'up') return `${node} is ${control.state(node)}`;
      }
      load?.startAll();
      const what = inService()
        .map((book) => unfinished(book) ?? unsent(book))
        .find((why) => why !== undefined);
      if (what !== undefined) return what;
      const moved = books.all.reduce((sum, book) => sum + book.moves, 0);
      if (quietSince?.moved !== moved) quietSince = { moved, atMs: world.now };
      return world.now - quietSince.atMs >= quietMs ? undefined : 'something has just moved';
    },
    async collectEvidence(_history: readonly Operation[], run) {
      const isQuiet = run.healedAtMs !== undefined;
      for (const book of books.all) {
        book.tell();
        if (book.reader.isHalfApplied || !inService().includes(book)) continue;
        const places = slotPlaces(book, (producer) => ownSlotsOf(book, producer));
        book.put({ event: 'slots', quiet: isQuiet, places });
      }
      evidence = books.all.map(({ events }) => events);
    },
    checks,
  };

  /** Who has still to flush what it has published; undefined where nobody has. */
  function unsent(book: BusBook): string | undefined {
    for (const [name, { process, lineOn }] of load?.participants ?? []) {
      const messages = process?.alive === true ? (lineOn?.(book)?.unsent ?? 0) : 0;
      if (messages > 0) return `${name} has still to flush ${messages} messages`;
    }
    return undefined;
  }

  /** Slots that the holder of a seat says it has. */
  function ownSlotsOf(book: BusBook, producer: number): OwnSlots | undefined {
    for (const [name, { process, isStopped, reserved, lineOn }] of load?.participants ?? []) {
      const attached = load?.attached.get(name);
      if (attached === undefined || process === undefined || isStopped) continue;
      if (book.holderNamed('producer', process.pid, name) !== producer) continue;
      for (let segment = 0; segment < attached.segments; segment += 1) {
        const { words } = attached.attachmentOf(segment).segment;
        if (words.buffer !== book.segment.words.buffer) continue;
        return { home: attached.creditIn(segment), reserved, unflushed: lineOn?.(book)?.unflushed ?? 0 };
      }
    }
    return undefined;
  }
}

/** The host of a router whose segment, if it is a new one, shall see its cursors wrap soon. */
function startingNearWrap(host: Host, isWanted: boolean): Host {
  if (!isWanted) return host;
  const { telemetry } = host;
  const buggify = (name: string): boolean => name === 'start-near-wrap' || telemetry.buggify(name);
  return { ...host, telemetry: { ...telemetry, buggify } };
}

/** What is still to be done on a bus; undefined when nothing is. */
function unfinished(book: BusBook): string | undefined {
  const { reader, segment } = book;
  const { producers, lanes } = segment.layout.sizes;
  for (let seat = 0; seat < producers; seat += 1) {
    const state = reader.producerState(seat);
    // One that was fenced while it had nothing to send does not know yet: it learns it when it sends again.
    if (state === SeatState.fenced && book.isHeld('producer', reader.producer(seat))) continue;
    if (state !== SeatState.free && state !== SeatState.live) return `seat ${seat} of a producer is in state ${state}`;
    if (reader.sourceDepth(seat) > 0) return `${reader.sourceDepth(seat)} messages wait in source ${seat}`;
  }
  for (let lane = 0; lane < lanes; lane += 1) {
    const state = reader.laneState(lane);
    if (state !== SeatState.free && state !== SeatState.live) return `lane ${lane} is in state ${state}`;
    if (reader.laneDepth(lane) > 0) return `${reader.laneDepth(lane)} messages wait in lane ${lane}`;
  }
  return undefined;
}

/** One answer for what was found on each bus. */
function inAll(outcomes: readonly CheckResult[]): CheckResult {
  const undecided = outcomes.find((it) => it.undecided !== undefined)?.undecided;
  return {
    violations: outcomes.flatMap(({ violations }) => violations),
    detail: outcomes.map(({ detail }) => detail).join('; ') || 'there was no bus',
    ...(undecided === undefined ? {} : { undecided }),
  };
}
