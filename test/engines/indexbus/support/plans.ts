import type { StagePlan } from './stage.ts';

/** Buses on which one message goes from one end to the other, each by another way of placing it. */
export const plans = {
  broadcast: { subscriptions: [{ name: 'all' }], lanes: [0], producers: 1 },
  broadcastToTwo: {
    sizes: { lanes: 2, slots: 64 },
    subscriptions: [
      { name: 'a', capacity: 1 },
      { name: 'b', capacity: 1 },
    ],
    lanes: [0, 1],
    producers: 1,
  },
  unwanted: { topics: ['t', 'u'], subscriptions: [{ name: 'u', topics: ['u'] }], lanes: [0], producers: 1 },
  /** A seat more than lanes: what waits for a consumer can have one. */
  workqueue: {
    sizes: { lanes: 3 },
    subscriptions: [{ name: 'w', mode: 'workqueue', lane: 'blocking' }],
    lanes: [0, 0],
    producers: 1,
  },
  keyed: {
    sizes: { lanes: 3 },
    subscriptions: [{ name: 'k', mode: 'keyed', lane: 'blocking' }],
    lanes: [0, 0],
    producers: 1,
  },
  newest: { subscriptions: [{ name: 'n', capacity: 1 }], lanes: [0], producers: 1 },
  oldest: {
    sizes: { laneRing: 4 },
    subscriptions: [{ name: 'o', capacity: 1, drop: 'oldest' }],
    lanes: [0],
    producers: 1,
  },
  credit: { subscriptions: [{ name: 'c', capacity: 4, creditLimit: 1 }], lanes: [0], producers: 1 },
  blocking: {
    sizes: { slots: 16, laneRing: 2 },
    subscriptions: [{ name: 'b', lane: 'blocking', capacity: 1 }],
    lanes: [0],
    producers: 1,
  },
  share: {
    sizes: { laneRing: 128 },
    subscriptions: [{ name: 's', capacity: 64 }],
    lanes: [0],
    producers: 1,
  },
  view: {
    subscriptions: [{ name: 'v', access: 'view', lane: 'blocking', viewMax: 2, capacity: 2 }],
    lanes: [0],
    producers: 1,
  },
  atLeastOnce: {
    sizes: { lanes: 3 },
    subscriptions: [
      {
        name: 'l',
        mode: 'workqueue',
        access: 'view',
        lane: 'blocking',
        delivery: 'at_least_once',
        viewMax: 2,
        capacity: 2,
      },
    ],
    lanes: [0, 0],
    producers: 1,
  },
  mixed: {
    sizes: { lanes: 4, producers: 2, slots: 64 },
    subscriptions: [
      { name: 'b', lane: 'blocking', capacity: 2 },
      { name: 'n', capacity: 1 },
      { name: 'w', mode: 'workqueue', capacity: 1 },
    ],
    lanes: [0, 1, 2, 2],
    producers: 2,
  },
  wrapped: {
    sizes: { laneRing: 4 },
    subscriptions: [{ name: 'o', capacity: 2, drop: 'oldest' }],
    lanes: [0],
    producers: 1,
    cursorsFrom: -3,
  },
} as const satisfies Record<string, StagePlan>;

export type PlanName = keyof typeof plans;
