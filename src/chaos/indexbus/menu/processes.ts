import { Point } from '../../../engines/indexbus/points.ts';
import { choose, scale, single } from '../../faultMenu.ts';
import { allLanes, consumer, type FaultEntry, fault, lasting, participant, producer, request } from './entry.ts';

const producerPoints = [
  Point.takeSlot,
  Point.writePayload,
  Point.writeDescriptor,
  Point.storeTail,
  Point.ringDoorbell,
  Point.wakeRouter,
];
const consumerPoints = [Point.copyOut, Point.claimHead, Point.consumerWakesRouter, Point.storeDone, Point.loadTail];
const routerPoints = [
  Point.seal,
  Point.apply,
  Point.applyHead,
  Point.commitDone,
  Point.wakePeers,
  Point.freezeHead,
  Point.writeLaneEntry,
  Point.writeReturnEntry,
  Point.clearDoorbell,
  Point.fenceSeat,
  Point.freeSeat,
  Point.seatLive,
];
const seatPoints = [
  Point.takeSeatLock,
  Point.claimSeat,
  Point.writeSeat,
  Point.seatReady,
  Point.seatLive,
  Point.setSleeping,
  Point.sleep,
];

/** Ends and pauses of processes. */
export const processEntries: readonly FaultEntry[] = [
  {
    name: 'kill a participant',
    family: 'kill',
    weight: 4,
    steps: (draw, cast) =>
      single(fault('process.kill', participant(draw, cast), {}, { restart: scale(draw.a, 5, 2_000) })),
  },
  {
    name: 'kill the router',
    family: 'kill',
    weight: 2,
    steps: (draw) => single(fault('process.kill', 'primary', {}, { restart: scale(draw.a, 5, 2_000) })),
  },
  {
    name: 'power loss',
    family: 'outside',
    weight: 1,
    steps: (draw, { nodes }) =>
      single(fault('process.power-loss', nodes, {}, { restart: scale(draw.a, 50, 1_000), mode: 'drop' })),
  },
  {
    name: 'crash of the router at a place',
    family: 'crash',
    weight: 4,
    steps: (draw) =>
      single(
        fault(
          'shm.crash-at-step',
          'primary',
          {},
          {
            point: choose(draw.a, routerPoints),
            steps: 1 + (draw.b % 12),
            restart: scale(draw.length, 5, 1_000),
          },
        ),
      ),
  },
  {
    name: 'crash of the router',
    family: 'crash',
    weight: 2,
    steps: (draw) =>
      single(fault('shm.crash-at-step', 'primary', {}, { steps: 1 + draw.a, restart: scale(draw.length, 5, 1_000) })),
  },
  {
    // The successor dies too, in what it does first: meanwhile nobody routes, and consumers go on.
    name: 'crash of two routers',
    family: 'crash',
    weight: 4,
    steps: (draw, { nodes }) => [
      {
        afterMs: 0,
        step: fault(
          'shm.crash-at-step',
          'primary',
          {},
          {
            point: choose(draw.where, [Point.seal, Point.apply, Point.applyHead, Point.commitDone]),
            steps: 1 + (draw.length % 16),
            restart: 300,
          },
        ),
      },
      {
        afterMs: 0,
        step: fault(
          'shm.crash-at-step',
          nodes,
          {},
          {
            point: choose(draw.a, [Point.raiseEpoch, Point.finishRedo, Point.apply, Point.applyHead, Point.recount]),
            restart: scale(draw.b, 10, 500),
          },
        ),
      },
    ],
  },
  {
    // More comes than consumers take: most commits evict. A router dies in one of them, the next one while it finishes it, and consumers go on.
    name: 'crash while lanes evict',
    family: 'crash',
    weight: 8,
    steps: (draw, { nodes }) => [
      ...allLanes({ lane: 'nonblocking', drop: 'oldest' }),
      { afterMs: 0, step: request('PATCH', '/router', { router_batch_size: 24 }) },
      { afterMs: 20, step: { fault: 'load.spike', duration: 400, with: { factor: scale(draw.b, 5, 20) } } },
      // What comes meanwhile fills whole batches.
      { afterMs: 120, step: fault('shm.stall-router', 'primary', { duration: 60 }) },
      {
        afterMs: 170,
        step: fault(
          'shm.crash-at-step',
          'primary',
          {},
          { point: choose(draw.where, [Point.commitDone, Point.seal]), steps: 1 + (draw.length % 4), restart: 300 },
        ),
      },
      {
        afterMs: 170,
        step: fault(
          'shm.crash-at-step',
          nodes,
          {},
          {
            point: choose(draw.a, [Point.finishRedo, Point.raiseEpoch, Point.recount]),
            restart: scale(draw.b, 50, 500),
          },
        ),
      },
    ],
  },
  {
    name: 'crash of a producer',
    family: 'crash',
    weight: 3,
    steps: (draw, cast) =>
      single(
        fault(
          'shm.crash-at-step',
          producer(draw, cast),
          {},
          {
            point: choose(draw.a, producerPoints),
            steps: 1 + (draw.b % 8),
            restart: scale(draw.length, 5, 1_000),
          },
        ),
      ),
  },
  {
    // One that had nothing to send dies between its flush and its bell while the router has more to do than it can: it does not sleep, and hears of nothing.
    // Lanes that block would let it sleep.
    name: 'crash before the bell',
    family: 'crash',
    weight: 6,
    steps: (draw, { producers }) => {
      const victim = choose(draw.where, producers.length > 1 ? producers.slice(1) : producers);
      const silentMs = scale(draw.a, 100, 400);
      return [
        ...allLanes({ lane: 'nonblocking', drop: 'newest' }),
        { afterMs: 0, step: request('PATCH', '/router', { router_batch_size: 1 }) },
        { afterMs: 10, step: fault('shm.stall-producer', victim, { duration: silentMs }) },
        {
          afterMs: 20,
          step: fault('process.slow', 'primary', { duration: 700 }, { factor: scale(draw.b, 60, 160) }),
        },
        // As much as both together.
        ...[100, 3].map((factor) => ({ afterMs: 21, step: { fault: 'load.spike', duration: 660, with: { factor } } })),
        { afterMs: 30, step: fault('shm.crash-at-step', victim, {}, { point: Point.ringDoorbell, restart: 1_000 }) },
      ];
    },
  },
  {
    name: 'crash of a consumer',
    family: 'crash',
    weight: 3,
    steps: (draw, cast) =>
      single(
        fault(
          'shm.crash-at-step',
          consumer(draw, cast),
          {},
          {
            point: choose(draw.a, consumerPoints),
            steps: 1 + (draw.b % 8),
            restart: scale(draw.length, 5, 1_000),
          },
        ),
      ),
  },
  {
    // It dies, comes back, and dies while it takes its seat.
    name: 'crash while joining',
    family: 'crash',
    weight: 2,
    steps: (draw, cast) => {
      const name = participant(draw, cast);
      return [
        { afterMs: 0, step: fault('process.kill', name, {}, { restart: 20 }) },
        {
          afterMs: 22,
          step: fault(
            'shm.crash-at-step',
            name,
            {},
            { point: choose(draw.a, seatPoints), restart: scale(draw.b, 5, 800) },
          ),
        },
      ];
    },
  },
  {
    name: 'pause of a participant',
    family: 'pause',
    weight: 3,
    steps: (draw, cast) => single(fault('process.pause', participant(draw, cast), { duration: lasting(draw, 4_000) })),
  },
  {
    name: 'pause of the router',
    family: 'pause',
    weight: 1,
    steps: (draw) => single(fault('process.pause', 'primary', { duration: lasting(draw, 2_000) })),
  },
  {
    // What they all wait for is away: every lane that drops is full.
    name: 'downstream dependency',
    family: 'pause',
    weight: 4,
    steps: (draw, { consumers }) => [
      ...allLanes({ lane: 'nonblocking', drop: 'newest' }),
      { afterMs: 20, step: fault('shm.stall-consumer', consumers, { duration: scale(draw.length, 500, 2_000) }) },
      { afterMs: 20, step: { fault: 'load.spike', duration: 500, with: { factor: scale(draw.a, 2, 10) } } },
    ],
  },
  {
    name: 'stalled consumer',
    family: 'pause',
    weight: 3,
    steps: (draw, cast) =>
      single(fault('shm.stall-consumer', consumer(draw, cast), { duration: lasting(draw, 4_000) })),
  },
  {
    name: 'stalled producer',
    family: 'pause',
    weight: 1,
    steps: (draw, cast) => single(fault('shm.stall-producer', producer(draw, cast), { duration: lasting(draw) })),
  },
  {
    name: 'slow participant',
    family: 'slow',
    weight: 3,
    steps: (draw, cast) =>
      single(
        fault('process.slow', participant(draw, cast), { duration: lasting(draw) }, { factor: scale(draw.a, 2, 50) }),
      ),
  },
  {
    name: 'slow router',
    family: 'slow',
    weight: 1,
    steps: (draw) =>
      single(fault('process.slow', 'primary', { duration: lasting(draw) }, { factor: scale(draw.a, 2, 200) })),
  },
  {
    name: 'router stands still',
    family: 'pause',
    weight: 1,
    steps: (draw) => single(fault('shm.stall-router', 'primary', { duration: lasting(draw, 2_000) })),
  },
  {
    name: 'router loses its core',
    family: 'slow',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'shm.router-jitter',
          'primary',
          { duration: lasting(draw) },
          { length: scale(draw.a, 1, 200), every: scale(draw.b, 20, 1_000) },
        ),
      ),
  },
];
