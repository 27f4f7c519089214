import { poolShare } from './admission.ts';
import type { Lanes } from './lanes.ts';
import { LaneLife } from './laneTable.ts';

/**
 * The share of each producer's pool that every non-blocking copy lane has: a pure function of the seats. Lanes that end count until they are gone.
 *
 * @param extra a lane that counts as well, -1 for none
 * @param minimal a fault point: as little as there may be
 */
export function shareOf(lanes: Lanes, slots: number, batchSize: number, extra: number, minimal: boolean): number {
  let copyLanes = 0;
  let viewCapacities = 0;
  for (let lane = 0; lane < lanes.count; lane += 1) {
    if ((lanes.life[lane] === LaneLife.none && lane !== extra) || lanes.blocking[lane]) continue;
    if (lanes.view[lane]) viewCapacities += lanes.capacity[lane] ?? 0;
    else copyLanes += 1;
  }
  const share = poolShare(slots, batchSize, viewCapacities, copyLanes);
  return minimal ? Math.min(share, 16) : share;
}
