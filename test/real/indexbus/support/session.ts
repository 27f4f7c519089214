import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBus, openSegment, type Segment } from '../../../../src/engines/indexbus/index.ts';
import { Lock } from '../../../../src/engines/indexbus/layout.ts';
import { openLocks } from '../../../../src/engines/indexbus/segment.ts';
import type { ShmAddon } from '../../../../src/real/shm/addon.ts';
import { type EndState, endStateOf, seatsInUse, slotsOf, unrest } from './endState.ts';
import { Fleet, type Member, type Role } from './fleet.ts';
import { busHost, consume, Draw, detachAfterMs, produce, subscriptions } from './roles.ts';
import { Witness } from './witness.ts';

/** What a session does to its participants. */
export interface SessionPlan {
  readonly seed: number;
  readonly kills: number;
  /** SIGSTOP beyond every time-out, once a role. */
  readonly pauses: boolean;
  /** Roles whose processes go without the native addon. Default none. */
  readonly byFfi?: readonly Role[];
}

/** What came of a session. */
export interface SessionResult {
  readonly members: readonly Member[];
  /** Notes of the participant in this process, which nobody kills. */
  readonly ownFile: string;
  readonly kills: Readonly<Record<Role, number>>;
  /** Slots at home and on their way home of a producer that lived through all of it, when it had nothing under way. */
  readonly ownSlots: number;
  readonly end: EndState;
  readonly failures: readonly string[];
}

const segmentName = 'killed';
/** Names of lanes and senders of this process. */
const ownId = 900;
const settleMs = 20_000;

/** Runs a bus of many processes, kills them at random moments, lets it come to rest, and tells what is left. */
export async function runSession(addon: ShmAddon, directory: string, plan: SessionPlan): Promise<SessionResult> {
  const fleet = new Fleet(directory, segmentName, plan.seed, plan.byFfi);
  try {
    return await new Session(addon, directory, plan, fleet).run();
  } finally {
    fleet.end();
  }
}

class Session {
  readonly #addon: ShmAddon;
  readonly #directory: string;
  readonly #plan: SessionPlan;
  readonly #fleet: Fleet;
  readonly #draw: Draw;
  readonly #kills: Record<Role, number> = { router: 0, producer: 0, consumer: 0 };
  readonly #active: Record<Role, Member[]> = { router: [], producer: [], consumer: [] };
  readonly #spare: Record<Role, Member[]> = { router: [], producer: [], consumer: [] };

  constructor(addon: ShmAddon, directory: string, plan: SessionPlan, fleet: Fleet) {
    this.#addon = addon;
    this.#directory = directory;
    this.#plan = plan;
    this.#fleet = fleet;
    this.#draw = new Draw(plan.seed);
  }

  async run(): Promise<SessionResult> {
    const ownFile = join(this.#directory, 'notes-own');
    // Three routers: one at work, two that stand by.
    for (const role of ['router', 'router', 'router', 'producer', 'producer', 'consumer', 'consumer'] as const) {
      this.#active[role].push(this.#fleet.prepare(role, this.#draw.below(2) === 0));
    }
    for (const router of this.#active.router) await this.#go(router);
    await until('a router serves', () => this.#serving() !== undefined);
    const host = busHost(this.#addon, this.#directory);
    const bus = await openBus({ host, segment: segmentName, attachTimeoutMs: 10_000 });
    const segment = await openSegment({ shm: host.shm, name: segmentName });
    const witness = new Witness(ownFile, host.clock);
    const sending = { stopped: false };
    const reading = { stopped: false };
    let lanes = ownId * 1000;
    const next = (): number => {
      lanes += 1;
      return lanes;
    };
    const readers = subscriptions.map((_, which) =>
      consume(host, bus, witness, which, next, new Draw(this.#plan.seed + which), reading),
    );
    await until('the own lanes are there', () => lanes === ownId * 1000 + subscriptions.length);
    const sender = produce(host, bus, witness, ownId, new Draw(this.#plan.seed), sending);
    for (const role of ['producer', 'consumer'] as const) {
      for (const member of this.#active[role]) await this.#go(member);
    }
    for (const role of ['producer', 'consumer', 'router'] as const) this.#prepare(role);
    await this.#disturb(segment);

    // Producers end, what they sent is taken, consumers end, and then nothing may be left anywhere.
    sending.stopped = true;
    const producer = await sender;
    await this.#stopAll('producer');
    await until(
      'all is delivered',
      () => unrest(segment).length === 0,
      settleMs,
      () => unrest(segment).join('; '),
    );
    const ownSlots = slotsOf(segment, host.pid, producer.credit);
    await producer.close({ drainTimeoutMs: settleMs });
    await this.#stopAll('consumer');
    reading.stopped = true;
    await Promise.all((await Promise.all(readers)).map((reader) => reader.close()));
    await bus.close();
    await until(
      'all seats are free',
      () => seatsInUse(segment).length === 0,
      settleMs,
      () => seatsInUse(segment).join('; '),
    );
    await this.#stopAll('router');
    witness.close();
    const locks = await openLocks({ shm: host.shm, name: segmentName });
    await until('the lock of the router is free', () => locks.lock(Lock.router));
    const end = endStateOf(segment, host);
    locks.close();
    segment.region.close();
    return {
      members: this.#fleet.members,
      ownFile,
      kills: this.#kills,
      ownSlots,
      end,
      failures: this.#fleet.failures,
    };
  }

  #prepare(role: Role): void {
    this.#spare[role].push(this.#fleet.prepare(role, this.#draw.below(2) === 0));
  }

  async #go(member: Member): Promise<void> {
    await until(
      `${member.role} ${member.id} is ready`,
      () => this.#fleet.isReady(member),
      settleMs,
      () => this.#fleet.failures.join('\n'),
    );
    this.#fleet.go(member);
  }

  #serving(): Member | undefined {
    return this.#active.router.find((it) => it.isServing);
  }

  async #disturb(segment: Segment): Promise<void> {
    const roles = ['router', 'producer', 'consumer'] as const;
    for (let count = 0; count < this.#plan.kills; ) {
      await sleep(10 + this.#draw.below(150));
      const role = roles[count < roles.length ? count : this.#draw.below(roles.length)] ?? 'router';
      const victims = [this.#pick(role)];
      // Now and then two at once, a router among them.
      if (role !== 'router' && this.#draw.below(4) === 0) victims.push(this.#serving());
      for (const victim of victims) {
        if (victim === undefined || count === this.#plan.kills) continue;
        this.#kill(victim);
        count += 1;
      }
      for (const victim of victims) if (victim?.end === 'killed') await this.#replace(victim);
      await until('a router serves again', () => this.#serving() !== undefined);
    }
    if (!this.#plan.pauses) return;
    await this.#pauseRouter();
    await this.#pauseProducer();
    await this.#pauseConsumer(segment);
  }

  /** Nothing waits for a producer that stands, and nothing is taken from it. */
  async #pauseProducer(): Promise<void> {
    const producer = this.#pick('producer');
    if (producer === undefined) throw new Error('no producer is active');
    this.#fleet.pause(producer);
    await sleep(detachAfterMs / 2);
    this.#fleet.resume(producer);
  }

  /** The lanes of a consumer that stands and that others wait for are taken from it; it comes back with others. */
  async #pauseConsumer(segment: Segment): Promise<void> {
    const consumer = this.#pick('consumer');
    if (consumer === undefined) throw new Error('no consumer is active');
    this.#fleet.pause(consumer);
    const ofIt = (): readonly string[] => seatsInUse(segment).filter((it) => it.includes(`pid ${consumer.pid} `));
    await until(
      'a lane is taken',
      () => ofIt().some((it) => it.endsWith('fenced')),
      settleMs,
      () => ofIt().join('; '),
    );
    await sleep(50);
    // Its seat is not given away before it has said that it knows.
    if (!ofIt().some((it) => it.endsWith('fenced'))) throw new Error('a seat was given away while its holder stood');
    this.#fleet.resume(consumer);
    const isBack = (): boolean => ofIt().filter((it) => it.endsWith('live')).length === subscriptions.length;
    await until('it has four lanes again', isBack, settleMs, () => ofIt().join('; '));
  }

  /** A router that stands keeps its segment; once it is killed another has it. */
  async #pauseRouter(): Promise<void> {
    for (const thenKilled of [false, true]) {
      const router = this.#serving();
      if (router === undefined) throw new Error('no router serves');
      this.#fleet.pause(router);
      await sleep(500);
      const others = this.#active.router.filter((it) => it !== router && it.isServing);
      if (others.length > 0) throw new Error(`router ${others[0]?.id} serves beside ${router.id}, which stands`);
      if (thenKilled) {
        this.#kill(router);
        await this.#replace(router);
        await until('another router serves', () => this.#serving() !== undefined);
      } else this.#fleet.resume(router);
    }
  }

  #pick(role: Role): Member | undefined {
    if (role === 'router') return this.#serving();
    const candidates = this.#active[role].filter((it) => !it.isPaused);
    return candidates[this.#draw.below(Math.max(1, candidates.length))];
  }

  #kill(member: Member): void {
    this.#fleet.kill(member);
    this.#kills[member.role] += 1;
    this.#active[member.role] = this.#active[member.role].filter((it) => it !== member);
  }

  async #replace(member: Member): Promise<void> {
    const [spare] = this.#spare[member.role].splice(0, 1);
    if (spare === undefined) throw new Error(`no ${member.role} is spare`);
    this.#prepare(member.role);
    await this.#go(spare);
    this.#active[member.role].push(spare);
  }

  async #stopAll(role: Role): Promise<void> {
    for (const member of this.#active[role]) this.#fleet.stop(member);
    await until(
      `${role}s stop`,
      () => this.#active[role].every((it) => it.end === 'stopped'),
      settleMs,
      () => this.#fleet.failures.join('\n'),
    );
  }
}

async function until(
  what: string,
  holds: () => boolean,
  mostMs = 10_000,
  otherwise: () => string = () => '',
): Promise<void> {
  const end = Date.now() + mostMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`expected within ${mostMs} ms: ${what}. ${otherwise()}`);
    await sleep(3);
  }
}
