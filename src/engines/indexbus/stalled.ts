import type { Endings } from './endings.ts';
import type { Lanes } from './lanes.ts';
import { LaneLife } from './laneTable.ts';
import { DetachReason } from './layout.ts';

/**
 * Takes lanes that have refused for `detachAfterMs` without moving from their consumers. One whose consumer has died since the last look at who lives
 * ends as the dead's: nobody is there to be fenced, what it had open is given back, and the count of those that stall stays that of those that live.
 *
 * @param isHolderDead asked once a lane, when its time is up
 */
export function endStalled(lanes: Lanes, endings: Endings, isHolderDead: (lane: number) => boolean): void {
  if (!lanes.refusing) return;
  lanes.refusing = false;
  for (let lane = 0; lane < lanes.count; lane += 1) {
    const since = lanes.refusesSince[lane] ?? -1;
    const limit = lanes.detachAfterMs[lane] ?? 0;
    if (since < 0 || limit === 0 || lanes.life[lane] !== LaneLife.live) continue;
    if (lanes.now - since < limit) lanes.refusing = true;
    else if (isHolderDead(lane)) endings.drain(lane, DetachReason.dead);
    else endings.fence(lane, DetachReason.stalled);
  }
}
