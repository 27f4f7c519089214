import { scale } from '../../faultMenu.ts';
import { allLanes, type FaultEntry, fault, request } from './entry.ts';

/** Batches larger than lanes: one alone evicts everything that a lane has. */
const batch = 16;
/** Places of lanes whose rings have twice as many. */
const capacity = 4;

/** Rings that batches go round in. */
export const ringEntries: readonly FaultEntry[] = [
  {
    // Nobody takes anything, and each batch evicts what the one before it placed. Where the slots of what went are taken back late, more stands in a
    // ring than its lane has: places that are only free once the commit is sealed.
    name: 'rings gone round',
    family: 'load',
    weight: 6,
    needsTightRings: true,
    steps: (draw, { consumers }) => [
      ...allLanes({ lane: 'nonblocking', drop: 'oldest', credit_limit: 'none' }),
      ...allLanes({ capacity }),
      { afterMs: 0, step: request('PATCH', '/router', { router_batch_size: batch }) },
      { afterMs: 20, step: fault('shm.stall-consumer', consumers, { duration: 400 }) },
      { afterMs: 20, step: { fault: 'load.spike', duration: 400, with: { factor: scale(draw.a, 20, 40) } } },
      // What comes meanwhile fills whole batches.
      ...[40, 160, 280].map((afterMs) => ({ afterMs, step: fault('shm.stall-router', 'primary', { duration: 60 }) })),
    ],
  },
];
