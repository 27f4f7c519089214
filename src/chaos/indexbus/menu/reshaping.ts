import type { FaultDraw } from '../../faultDraw.ts';
import { choose, type LaterStep, scale } from '../../faultMenu.ts';
import { type Cast, type FaultEntry, fault, request } from './entry.ts';

/** As many as the runs of chaos have at most, so that every lane has room in the next generation. */
const slotsOfRolls = 1_024;
/** Time between two requests of the same: a router that is about to start does not hear the first. */
const againMs = [0, 900, 2_500];
/** By when the router knows that a consumer is dead. */
const seenDeadMs = 450;

/** Longer than a roll waits for a producer that does not move, in milliseconds. */
const stoppedMs = 6_000;

/** What comes before a roll that meets a stopped producer: it has sent much, and the router takes little of it at a time. */
export function stoppedBefore({ where }: FaultDraw, { producers }: Cast): readonly LaterStep[] {
  const limit = request('PATCH', `/producers/${where % producers.length}`, { rate_limit: 10 });
  return [
    { afterMs: -400, step: limit },
    { afterMs: -390, step: { fault: 'load.spike', duration: 380, with: { factor: 10 } } },
    { afterMs: -1, step: fault('process.pause', choose(where, producers), { duration: stoppedMs }) },
  ];
}

/** Operators that change what a bus is made of: its sizes, its subscriptions. */
export const reshapingEntries: readonly FaultEntry[] = [
  {
    name: 'roll',
    family: 'operator',
    weight: 3,
    steps: (draw) => {
      const sizes = choose(draw.a, [
        { slots_per_producer: slotsOfRolls },
        { slots_per_producer: 2 * slotsOfRolls, lane_ring: 512 },
        { slots_per_producer: slotsOfRolls, lane_ring: 256, slot_bytes: 128 },
      ]);
      return [{ afterMs: 0, step: request('POST', '/roll', sizes) }];
    },
  },
  {
    // Who joins later has it; of another mode only where nobody has a lane.
    name: 'subscription changed',
    family: 'operator',
    weight: 2,
    steps: (draw, { subscriptions }) => [
      {
        afterMs: 0,
        step: request('PUT', `/subscriptions/${choose(draw.where, subscriptions)}`, bodyFor(draw.a, draw.b)),
      },
    ],
  },
  {
    // All consumers die, what their subscription had for them is lost with it, and they come back to another of the same name.
    name: 'subscription replaced',
    family: 'operator',
    weight: 2,
    steps: (draw, { subscriptions, consumers, holds }) => {
      const name = choose(draw.where, subscriptions);
      const put = request('PUT', `/subscriptions/${name}`, bodyFor(draw.a, draw.b));
      const backMs = seenDeadMs + scale(draw.length, 50, 1_000);
      return [
        { afterMs: 0, step: fault('process.kill', consumers, {}, { restart: backMs }) },
        // What nobody wants waits for ever where the next one is not heard of.
        ...(holds ? [] : [{ afterMs: seenDeadMs, step: request('DELETE', `/subscriptions/${name}`, {}) }]),
        ...againMs.map((later) => ({ afterMs: backMs + later - 20, step: put })),
      ];
    },
  },
];

/** A subscription to all topics, so that none is without one. */
function bodyFor(a: number, b: number): Readonly<Record<string, unknown>> {
  return {
    topics: ['a', 'b'],
    mode: choose(a, ['broadcast', 'workqueue', 'keyed']),
    lane: choose(b, ['blocking', 'nonblocking']),
    drop: choose(b >> 1, ['newest', 'oldest']),
    capacity: 1 + (b % 64),
    detach_after_ms: 100 + a,
  };
}
