import { distance } from './cursor.ts';
import { cursorWords, LaneCursor } from './layout.ts';
import type { Segment } from './segment.ts';

/** What became of the messages of a lane that ended. */
export interface LaneOutcome {
  /** Went to other lanes of its group, or to its next consumer. */
  readonly requeued: number;
  /** Counted in `drops_detached`. */
  readonly lost: number;
}

/**
 * What became of lanes between their end and the freeing of their seats, in numbers of this end: the segment's words go on with the seat,
 * whoever has it. Of an end that a router took over from its predecessor, what was left of it then.
 */
export class LaneEnds {
  readonly #segment: Segment;
  readonly #begun = new Map<number, LaneOutcome>();

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  /** To be called between commits, before anything of the lane is given back. */
  begun(lane: number): void {
    this.#begun.set(lane, this.#words(lane));
  }

  /** To be called after the commit with which the lane has nothing left. */
  ended(lane: number): LaneOutcome {
    const now = this.#words(lane);
    const from = this.#begun.get(lane) ?? now;
    this.#begun.delete(lane);
    return { requeued: distance(now.requeued, from.requeued), lost: distance(now.lost, from.lost) };
  }

  #words(lane: number): LaneOutcome {
    const { words, layout } = this.#segment;
    const at = layout.laneCursors + lane * cursorWords;
    return { requeued: words[at + LaneCursor.requeuedOut] ?? 0, lost: words[at + LaneCursor.droppedDetached] ?? 0 };
  }
}
