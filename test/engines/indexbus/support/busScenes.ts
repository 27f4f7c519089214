import type { RouterCommand } from '../../../../src/engines/indexbus/commands.ts';
import { FencedError } from '../../../../src/engines/indexbus/errors.ts';
import { Header, LaneCursor } from '../../../../src/engines/indexbus/layout.ts';
import { plantedIn } from '../../../../src/engines/indexbus/mutants.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import { SeatState } from '../../../../src/engines/indexbus/seat.ts';
import { seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { Waiting } from '../../../../src/engines/indexbus/waiting.ts';
import { type BatonHooks, Killed, type RunOutcome, type Scene } from '../../../../src/sim/interleaver/scene.ts';
import { type Gone, settle } from './settle.ts';
import { regionOver, Stage, type StagePlan, telemetryWith, withStep } from './stage.ts';

const quiet = { step: () => {} };

type Program = (stage: Stage, memory: SharedArrayBuffer, hooks: BatonHooks, mutant: string) => () => void;

interface BusScene {
  readonly plan: StagePlan;
  readonly participants: Readonly<Record<string, Program>>;
  /** Routers that ran, when this many participants were killed. */
  readonly routers?: (killed: readonly string[]) => number;
}

/** A producer that has published and will again only in another's preparation. */
function publishQuietly(stage: Stage, memory: SharedArrayBuffer, count: number): void {
  const producer = stage.producer(memory, quiet, 0, count);
  for (let message = 0; message < count; message += 1) producer.publish(0, message);
  producer.flush();
  producer.end();
}

const fenceLane: RouterCommand = { do: 'detach-lane', lane: 0, reason: 'operator' };
const fenceProducer: RouterCommand = { do: 'fence-producer', seat: 0 };

/** A router that is told something, and polls; killed, another takes over at once and polls as often. */
function polls(
  count: number,
  before?: (stage: Stage, memory: SharedArrayBuffer) => void,
  command?: RouterCommand,
): Program {
  return (stage, memory, hooks) => {
    before?.(stage, memory);
    const active = { step: quiet.step as (point: number) => void };
    const first = stage.router(
      memory,
      withStep(hooks, (point) => active.step(point)),
    );
    if (before !== undefined) {
      first.router.poll();
      first.end();
      moreMessages(stage, memory);
    }
    active.step = (point) => hooks.step(point);
    return () => {
      try {
        if (command !== undefined) first.router.apply(command);
        for (let poll = 0; poll < count; poll += 1) first.router.poll();
        first.end();
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        stage.noteRouterOver(memory, 0);
        const second = stage.router(memory, hooks, 1);
        for (let poll = 0; poll < count; poll += 1) second.router.poll();
        second.end();
        throw error;
      }
    };
  };
}

const queued = new WeakMap<SharedArrayBuffer, () => void>();

function moreMessages(_stage: Stage, memory: SharedArrayBuffer): void {
  queued.get(memory)?.();
  queued.delete(memory);
}

/** Two messages that are in the lane when the run begins, and as many in the source. */
function twoAndTwo(stage: Stage, memory: SharedArrayBuffer): void {
  const producer = stage.producer(memory, quiet, 0, 1);
  producer.publish(0, 0);
  producer.publish(0, 1);
  queued.set(memory, () => {
    producer.publish(0, 2);
    producer.publish(0, 3);
    producer.end();
  });
}

function fourAndNone(stage: Stage, memory: SharedArrayBuffer): void {
  publishQuietly(stage, memory, 4);
}

function receives(count: number, batch = 1): Program {
  return (stage, memory, hooks) => {
    const consumer = stage.consumer(memory, hooks, 0, batch);
    return () => {
      try {
        for (let call = 0; call < count; call += 1) consumer.receive();
      } catch (error) {
        if (!(error instanceof FencedError)) throw error;
      }
      consumer.end();
    };
  };
}

/** Takes what it gets with one call, and leaves. */
function receivesAndLeaves(batch = 1): Program {
  return (stage, memory, hooks) => {
    const consumer = stage.consumer(memory, hooks, 0, batch);
    return () => {
      try {
        consumer.receive();
      } catch (error) {
        if (!(error instanceof FencedError)) throw error;
      }
      consumer.leave();
    };
  };
}

/** Has flushed so many when the run begins, and leaves. */
function leavesAfter(count: number): Program {
  return (stage, memory, hooks) => {
    const active = { step: quiet.step as (point: number) => void };
    const producer = stage.producer(
      memory,
      withStep(hooks, (point) => active.step(point)),
    );
    for (let message = 0; message < count; message += 1) producer.publish(0, message);
    active.step = (point) => hooks.step(point);
    return () => {
      producer.leave();
      producer.end();
    };
  };
}

function publishes(count: number): Program {
  return (stage, memory, hooks) => {
    const producer = stage.producer(memory, hooks, 0, 1);
    return () => {
      for (let message = 0; message < count; message += 1) producer.publish(0, message);
      producer.end();
    };
  };
}

/** Takes the lane's seat as a joiner does, looks whether it is live, and receives. */
const joins: Program = (stage, memory, hooks) => () => {
  hooks.step(Point.claimSeat);
  if (!stage.join(memory, 1)) throw new Error('the seat is not free');
  const reader = stage.reader(memory);
  // It sleeps nowhere: the router may have ended before.
  for (let look = 0; reader.laneState(1) !== SeatState.live; look += 1) {
    if (look === 4) return;
    hooks.step(Point.seatLive);
  }
  const consumer = stage.consumer(memory, hooks, 1, 2);
  for (let call = 0; call < 2; call += 1) consumer.receive();
  consumer.end();
};

/** The incarnation that has lane 0 when a scene begins. */
const firstHolder = 1 << 6;

/** Receives, until it is killed: the kernel can prove that then. */
function receivesAndDies(count: number, batch = 1): Program {
  return (stage, memory, hooks) => {
    const consumer = stage.consumer(memory, hooks, 0, batch);
    return () => {
      try {
        for (let call = 0; call < count; call += 1) consumer.receive();
        consumer.end();
        hooks.step(Point.sleep);
      } catch (error) {
        if (error instanceof Killed) stage.noteDead(memory, 'consumer', 0);
        throw error;
      }
    };
  };
}

/** A router whose probe says, before a poll, that the holder of lane 0 is dead, once it is; killed, another goes on at once. */
function pollsOverDeath(count: number, prepare: (stage: Stage, memory: SharedArrayBuffer) => void): Program {
  return (stage, memory, hooks) => {
    prepare(stage, memory);
    const active = { step: quiet.step as (point: number) => void };
    const first = stage.router(
      memory,
      withStep(hooks, (point) => active.step(point)),
    );
    first.router.poll();
    first.end();
    active.step = (point) => hooks.step(point);
    const go = ({ router, end }: ReturnType<Stage['router']>): void => {
      for (let poll = 0; poll < count; poll += 1) {
        hooks.step(Point.readDoorbell);
        if (stage.isOver(memory, firstHolder)) {
          router.apply({ do: 'peer-dead', seat: stage.layout.sizes.producers, epoch: firstHolder >>> 6 });
        }
        router.poll();
      }
      end();
    };
    return () => {
      try {
        go(first);
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        stage.noteRouterOver(memory, 0);
        go(stage.router(memory, hooks, 1));
        throw error;
      }
    };
  };
}

/** Takes lane 0 over once it waits for somebody, and receives; a joiner that is not patient gives up, and another comes. */
function takesOver(patience: number, batch = 1): Program {
  return (stage, memory, hooks) => () => {
    const reader = stage.reader(memory);
    for (let tries = 0; tries < 3; tries += 1) {
      hooks.step(Point.claimSeat);
      if (!stage.join(memory, 0)) continue;
      for (let look = 0; look < patience && reader.laneState(0) !== SeatState.live; look += 1) {
        hooks.step(Point.seatLive);
      }
      if (reader.laneState(0) !== SeatState.live && stage.giveUp(memory, 0)) continue;
      const consumer = stage.consumer(memory, hooks, 0, batch);
      for (let call = 0; call < 2; call += 1) consumer.receive();
      consumer.end();
      return;
    }
  };
}

const never = 1e9;

/** Time stands still: only a wake ends a sleep. */
function asleepHost() {
  const clock = { now: () => 0, wall: () => 0, sleep: async () => {}, timer: () => ({ cancel: () => {} }) };
  return { clock, telemetry: telemetryWith('') };
}

/** A consumer that sleeps between messages, until it has them all. */
function receivesAsleep(count: number): Program {
  return (stage, memory, hooks, mutant) => {
    const consumer = stage.consumer(memory, hooks, 0, 1);
    const region = regionOver(memory, stage.layout.bytes, hooks);
    const { cursors, wake } = seatPlace(stage.layout, 'consumer', 0);
    const flags = plantedIn(telemetryWith(mutant));
    const waiting = new Waiting(
      region,
      asleepHost(),
      cursors + LaneCursor.sleeping,
      wake,
      () => consumer.head.hasNews(),
      0,
      flags,
    );
    return () => {
      for (let received = 0; received < count; ) {
        const now = consumer.receive();
        received += now;
        if (now === 0) waiting.untilSync(never);
      }
      consumer.end();
    };
  };
}

/** A router that sleeps between messages, until it has taken them all. */
function routesAsleep(count: number): Program {
  return (stage, memory, hooks, mutant) => {
    const active = { step: quiet.step as (point: number) => void };
    const own = withStep(hooks, (point) => active.step(point));
    const { router, end } = stage.router(memory, own);
    const region = regionOver(memory, stage.layout.bytes, own);
    const flags = plantedIn(telemetryWith(mutant));
    const waiting = new Waiting(
      region,
      asleepHost(),
      Header.routerSleeping,
      Header.routerWake,
      () => router.hasWork(),
      0,
      flags,
    );
    // The first look at everything belongs to the preparation: it would find what no doorbell told.
    router.poll();
    active.step = (point) => hooks.step(point);
    return () => {
      for (let taken = 0; taken < count; ) {
        taken += router.poll();
        if (taken < count && !router.hasWork()) waiting.untilSync(never);
      }
      end();
    };
  };
}

const oldest: StagePlan = {
  sizes: { laneRing: 4, slots: 32 },
  subscriptions: [{ name: 'o', capacity: 2, drop: 'oldest' }],
  lanes: [0],
  producers: 1,
  batchSize: 2,
};

const queue: StagePlan = {
  sizes: { lanes: 3, laneRing: 8 },
  subscriptions: [{ name: 'w', mode: 'workqueue', lane: 'blocking', capacity: 4 }],
  lanes: [0, 0],
  producers: 1,
};

/** A group that has one seat, and that one taken. */
const alone: StagePlan = {
  sizes: { lanes: 1, laneRing: 8 },
  subscriptions: [{ name: 'w', mode: 'workqueue', lane: 'blocking', capacity: 4 }],
  lanes: [0],
  producers: 1,
};

const aloneByView: StagePlan = {
  ...alone,
  subscriptions: [
    {
      name: 'l',
      mode: 'workqueue',
      lane: 'blocking',
      capacity: 4,
      access: 'view',
      viewMax: 2,
      delivery: 'at_least_once',
    },
  ],
};

const queueByView: StagePlan = {
  ...queue,
  subscriptions: [{ name: 'v', mode: 'workqueue', lane: 'blocking', capacity: 4, access: 'view', viewMax: 2 }],
};

/** A lane of its own that holds one message, and is taken from a consumer that lets the second wait for more than a moment. */
const stallsAtOnce: StagePlan = {
  sizes: { lanes: 1, laneRing: 8 },
  subscriptions: [{ name: 's', lane: 'blocking', capacity: 1, detachAfterMs: 1 }],
  lanes: [0],
  producers: 1,
};

function fiveMessages(stage: Stage, memory: SharedArrayBuffer): void {
  publishQuietly(stage, memory, 5);
}

/** The scenes of the bus, by name. */
export const busScenes = {
  /** The router makes room while the consumer takes. */
  evict: { plan: oldest, participants: { router: polls(2, twoAndTwo), consumer: receives(2) } },
  /** The same where cursors wrap. */
  evictWrapped: {
    plan: { ...oldest, cursorsFrom: -3 },
    participants: { router: polls(2, twoAndTwo), consumer: receives(2, 2) },
  },
  /** The router takes the lane while the consumer takes messages; they go to another of the group. */
  fence: { plan: queue, participants: { router: polls(2, fourAndNone, fenceLane), consumer: receives(3) } },
  /** The same for a lane of its own: what is unread is lost. */
  fenceBroadcast: {
    plan: { ...queue, subscriptions: [{ name: 'b', capacity: 4 }], lanes: [0], sizes: { lanes: 1, laneRing: 8 } },
    participants: { router: polls(2, fourAndNone, fenceLane), consumer: receives(3, 2) },
  },
  /** The router takes the lane from a consumer that says in the same moment that it leaves. */
  fenceLeaver: {
    plan: queue,
    participants: { router: polls(2, fourAndNone, fenceLane), consumer: receivesAndLeaves() },
  },
  /** The same by view: what it has open is its own until it says so. */
  fenceLeaverByView: {
    plan: queueByView,
    participants: { router: polls(2, fourAndNone, fenceLane), consumer: receivesAndLeaves(2) },
  },
  /** The router finds in the poll in which its consumer leaves that a lane has stalled. */
  stalledLeaver: {
    plan: stallsAtOnce,
    participants: { router: polls(3, fourAndNone), consumer: receivesAndLeaves() },
  },
  /** The router takes the seat from a producer that says in the same moment that it leaves. */
  fenceLeavingProducer: {
    plan: queue,
    participants: { router: polls(2, undefined, fenceProducer), producer: leavesAfter(3) },
  },
  /** Slots come home while their producer takes new ones. */
  publish: {
    plan: {
      sizes: { slots: 4, laneRing: 4 },
      subscriptions: [{ name: 'b', lane: 'blocking', capacity: 2 }],
      lanes: [0],
      producers: 1,
      batchSize: 1,
    },
    participants: { router: polls(3), producer: publishes(3) },
  },
  /** One producer, the router, one consumer, a ring of two, three messages. */
  three: {
    plan: {
      sizes: { slots: 4, laneRing: 2 },
      subscriptions: [{ name: 'b', lane: 'blocking', capacity: 1 }],
      lanes: [0],
      producers: 1,
      batchSize: 1,
    },
    participants: { router: polls(3), producer: publishes(3), consumer: receives(2) },
  },
  /** A consumer joins a subscription of its own while messages are placed. */
  join: {
    plan: {
      ...queue,
      subscriptions: [{ name: 'b', capacity: 4 }],
      lanes: [0],
      sizes: { lanes: 2, laneRing: 8, slots: 64 },
    },
    participants: { router: polls(4, twoAndTwo), joiner: joins },
  },
  /** Nobody may sleep over work. */
  sleep: {
    plan: { ...queue, subscriptions: [{ name: 'b', lane: 'blocking', capacity: 4 }], lanes: [0] },
    participants: { router: routesAsleep(1), producer: publishes(1), consumer: receivesAsleep(1) },
  },
  /** A consumer dies, and the next one takes its lane over with the seat. */
  takeOver: {
    plan: alone,
    participants: { holder: receivesAndDies(1), router: pollsOverDeath(4, fiveMessages), taker: takesOver(9) },
  },
  /** The same by view, at least once: what the dead one had open comes again. */
  takeOverView: {
    plan: aloneByView,
    participants: { holder: receivesAndDies(2), router: pollsOverDeath(4, fiveMessages), taker: takesOver(9, 2) },
  },
  /** Joiners that give up while the router hands the lane over to them. */
  takeOverGivenUp: {
    plan: alone,
    participants: { holder: receivesAndDies(1), router: pollsOverDeath(4, fiveMessages), taker: takesOver(1) },
  },
  sleepRouter: {
    plan: { ...queue, subscriptions: [{ name: 'b', lane: 'blocking', capacity: 4 }], lanes: [0] },
    participants: { router: routesAsleep(2), producer: publishes(2) },
  },
  sleepConsumer: {
    plan: { ...queue, subscriptions: [{ name: 'b', lane: 'blocking', capacity: 4 }], lanes: [0], batchSize: 1 },
    participants: { router: polls(2, fourAndNone), consumer: receivesAsleep(3) },
  },
} as const satisfies Record<string, BusScene>;

export type BusSceneName = keyof typeof busScenes;

/** Argument of a scene: its name, and a planted bug after a blank. */
export async function scene(argument: string): Promise<Scene> {
  const [name = '', mutant = ''] = argument.split(' ');
  // An argument is what the tests of this folder write.
  const { plan, participants } = busScenes[name as BusSceneName] as BusScene;
  const stage = await Stage.build(plan, mutant);
  const names = Object.keys(participants);
  return {
    participants: names,
    bytes: stage.bytes,
    reset: (memory) => stage.reset(memory),
    participant(who, memory, hooks) {
      const program = participants[names[who] ?? ''];
      if (program === undefined) throw new Error(`${name} has no participant ${who}`);
      return program(stage, memory, hooks, mutant);
    },
    violations: (memory, run) => settle(stage, memory, goneIn(run, stage.reader(memory).lane(0))),
  };
}

/** @param lane who has, or had, the first lane at the end */
function goneIn(run: RunOutcome, lane: number): Gone {
  const routerKilled = run.killed.includes('router');
  const holderKilled = run.killed.includes('holder') && lane === firstHolder;
  return {
    producers: run.killed.includes('producer') ? [0] : [],
    lanes: run.killed.includes('consumer') || holderKilled ? [0] : [],
    routers: routerKilled ? 2 : 1,
    routersOver: routerKilled ? 1 : 0,
  };
}
