import type { BusEvent, ExportedLane, SlotPlaces } from '../../../../src/checkers/indexbus/events.ts';
import { indexBusChecks } from '../../../../src/checkers/indexbus/index.ts';
import { FencedError } from '../../../../src/engines/indexbus/errors.ts';
import { LaneCursor, ProducerCursor } from '../../../../src/engines/indexbus/layout.ts';
import { SeatState } from '../../../../src/engines/indexbus/seat.ts';
import type { Reader } from '../../../../src/scenario/stands/indexbus/witness/reader.ts';
import { Fact } from './facts.ts';
import { laneCounts, type Stage, type StagedConsumer } from './stage.ts';
import { GroupWord, groupWord } from './witness.ts';

/** Rounds after which a bus without new messages must be quiet. */
const roundsMax = 200;

/** Who is gone without a word when the run ends. */
export interface Gone {
  /** Seats of producers and lanes whose participants were killed. */
  readonly producers?: readonly number[];
  readonly lanes?: readonly number[];
  /** Producers that are dead, as the router knows. */
  readonly producersReported?: readonly number[];
  /** Routers that were there; the successor that settles has the next number. Default 1. */
  readonly routers?: number;
  /** Routers whose end is in the book already. Default none. */
  readonly routersOver?: number;
}

/**
 * What comes after each run: a successor router takes over, the kernel's proof of each death reaches it, those who live receive what is left until
 * nothing moves. Then everything is checked. Returns what does not hold.
 */
export function settle(stage: Stage, memory: SharedArrayBuffer, gone: Gone): readonly string[] {
  const log = stage.log(memory);
  const reader = stage.reader(memory);
  const { sizes } = stage.layout;
  const none = { step: () => {} };
  const number = gone.routers ?? 1;
  for (let before = Math.max(0, gone.routersOver ?? 0); before < number; before += 1) log.put(Fact.routerOver, before);
  let problem: string | undefined;
  try {
    const { router, end } = stage.router(memory, none, number);
    for (const seat of gone.producers ?? []) {
      stage.noteDead(memory, 'producer', seat);
      router.apply({ do: 'peer-dead', seat, epoch: reader.producer(seat) >>> 6 });
    }
    for (const lane of gone.lanes ?? []) {
      stage.noteDead(memory, 'consumer', lane);
      router.apply({ do: 'peer-dead', seat: sizes.producers + lane, epoch: reader.lane(lane) >>> 6 });
    }
    const consumers = Array.from({ length: sizes.lanes }, (_, lane) => lane).map((lane) => ({
      lane,
      consumer: undefined as StagedConsumer | undefined,
    }));
    let quiet = 0;
    for (let round = 0; quiet < 3; round += 1) {
      if (round >= roundsMax) {
        problem = `L1: the bus is not quiet after ${roundsMax} rounds`;
        break;
      }
      // What waits for a consumer shall find one.
      for (let lane = 0; lane < sizes.lanes; lane += 1) if (stage.join(memory, lane)) quiet = 0;
      let moved = router.poll();
      end();
      for (const it of consumers) moved += receive(stage, memory, it);
      quiet = moved === 0 && !router.hasWork() ? quiet + 1 : 0;
    }
  } catch (error) {
    problem = `while the bus was emptied: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  problem ??= leftFenced(stage, memory);
  const { events, credits, bases } = log.events();
  const dead = new Set(
    [...(gone.producers ?? []), ...(gone.producersReported ?? [])].map((seat) => reader.producer(seat)),
  );
  events.push(toldOf(stage, reader, bases), {
    event: 'slots',
    quiet: true,
    places: slotsOf(stage, reader, credits, dead),
  });
  const found = indexBusChecks.flatMap((check) =>
    check.run(events).violations.map((violation) => `${check.name}: ${violation.message}`),
  );
  return problem === undefined ? found : [problem, ...found];
}

/** A seat that was taken from somebody who is gone and will not say that he knows: nobody gets it any more. */
function leftFenced(stage: Stage, memory: SharedArrayBuffer): string | undefined {
  const reader = stage.reader(memory);
  const { lanes } = stage.layout.sizes;
  for (let lane = 0; lane < lanes; lane += 1) {
    if (reader.laneState(lane) === SeatState.fenced) return `the seat of lane ${lane} stays fenced`;
  }
  for (let seat = 0; seat < stage.plan.producers; seat += 1) {
    if (reader.producerState(seat) !== SeatState.fenced) continue;
    if (stage.isProducerOver(memory, reader.producer(seat))) return `the seat of producer ${seat} stays fenced`;
  }
  return undefined;
}

/** Who has a lane receives, or learns that it was taken from it. */
function receive(
  stage: Stage,
  memory: SharedArrayBuffer,
  it: { lane: number; consumer: StagedConsumer | undefined },
): number {
  const reader = stage.reader(memory);
  const state = reader.laneState(it.lane);
  const isHeld = state === SeatState.live || state === SeatState.fenced;
  if (!isHeld || stage.isOver(memory, reader.lane(it.lane))) {
    it.consumer = undefined;
    return 0;
  }
  it.consumer ??= stage.consumer(memory, { step: () => {} }, it.lane);
  try {
    return it.consumer.receive();
  } catch (error) {
    if (!(error instanceof FencedError)) throw error;
    it.consumer = undefined;
    return 1;
  }
}

function exported(lane: number, depth: number, counts: readonly number[]): ExportedLane {
  const [newest = 0, oldest = 0, pool = 0, noCredit = 0, allFull = 0, detached = 0, into = 0, out = 0, again = 0] =
    counts;
  const drops = { newest, oldest, pool, noCredit, allFull, detached };
  // Where a lane's cursors stood when its holder came is not noted here.
  const unknown = { delivered: undefined, recv: undefined };
  return { lane, depth, ...unknown, ...drops, requeuedIn: into, requeuedOut: out, redelivered: again };
}

/** What the bus says of itself. */
export function toldOf(stage: Stage, reader: Reader, bases: ReadonlyMap<number, readonly number[]>): BusEvent {
  const { sizes } = stage.layout;
  const base = stage.plan.cursorsFrom ?? 0;
  const producers = Array.from({ length: stage.plan.producers }, (_, seat) => ({
    producer: reader.producer(seat),
    sent: (reader.producerCursor(seat, ProducerCursor.sourceTail) - base) | 0,
    taken: (reader.producerCursor(seat, ProducerCursor.sourceHead) - base) | 0,
    noRoute: reader.producerCursor(seat, ProducerCursor.noRoute),
  }));
  const lanes: ExportedLane[] = [];
  for (let seat = 0; seat < sizes.lanes; seat += 1) {
    // The words of a seat go on counting for whoever has it next.
    const holders = [...bases].filter(([lane]) => (lane & 63) === seat);
    const now = laneCounts(reader, seat);
    holders.forEach(([lane, from], index) => {
      const to = holders[index + 1]?.[1] ?? now;
      const isLast = index === holders.length - 1;
      const depth = isLast ? (reader.laneCursor(seat, LaneCursor.tail) - reader.head(seat)) | 0 : 0;
      lanes.push(
        exported(
          lane,
          depth,
          to.map((value, word) => value - (from[word] ?? 0)),
        ),
      );
    });
  }
  const groups = stage.plan.subscriptions.map((_, group) => ({
    group,
    noCredit: groupWord(reader, group, GroupWord.noCredit),
    allFull: groupWord(reader, group, GroupWord.allFull),
    detached: groupWord(reader, group, GroupWord.detached),
  }));
  return { event: 'told', producers, lanes, groups };
}

/** Where the slots are. A living producer says how many it has; those must be all that are nowhere else. */
function slotsOf(
  stage: Stage,
  reader: Reader,
  credits: ReadonlyMap<number, number>,
  dead: ReadonlySet<number>,
): SlotPlaces[] {
  const { sizes } = stage.layout;
  const places: SlotPlaces[] = [];
  for (let seat = 0; seat < stage.plan.producers; seat += 1) {
    const producer = reader.producer(seat);
    const cursor = (field: Parameters<Reader['producerCursor']>[1]): number => reader.producerCursor(seat, field);
    const source = [...reader.between(cursor(ProducerCursor.sourceHead), cursor(ProducerCursor.sourceTail))].map(
      (at) => reader.source(seat, at).slot,
    );
    const lanes = new Set<number>();
    for (let lane = 0; lane < sizes.lanes; lane += 1) {
      for (const at of reader.between(
        reader.laneCursor(lane, LaneCursor.reclaimed),
        reader.laneCursor(lane, LaneCursor.tail),
      )) {
        const entry = reader.entry(lane, at);
        if (entry.owner === seat) lanes.add(entry.slot);
      }
    }
    const isFree = reader.producerState(seat) === SeatState.free;
    const credit = credits.get(producer);
    // The router makes the pool of a dead producer whole when its next holder comes; until then nothing of it may be under way.
    const returning =
      dead.has(producer) || credit === undefined
        ? []
        : [...reader.between(cursor(ProducerCursor.returnHead), cursor(ProducerCursor.returnTail))].map((at) =>
            reader.word(stage.layout.returns + seat * stage.layout.returnStep + (at & (sizes.slots - 1))),
          );
    const elsewhere = new Set([...source, ...lanes, ...returning]);
    const rest = Array.from({ length: sizes.slots }, (_, slot) => slot).filter((slot) => !elsewhere.has(slot));
    const home = dead.has(producer) ? (isFree ? rest : []) : atHome(rest, credit ?? rest.length);
    places.push({ producer, slots: sizes.slots, home, reserved: [], source, lanes: [...lanes], returning });
  }
  return places;
}

/** As many as the producer says; one that is also elsewhere shows as a slot that does not exist. */
function atHome(rest: readonly number[], credit: number): readonly number[] {
  return credit > rest.length ? [...rest, -1] : rest.slice(0, credit);
}
