import { Header, SegmentState } from './layout.ts';
import { Point } from './points.ts';
import { restoreFormer, type Segment, type SegmentPlace } from './segment.ts';

/** Whether the generation after `former` was given up before it ever routed: what there is, `former` has. */
export function isGivenUp({ words, generation }: Segment, former: Segment): boolean {
  if (generation !== former.generation + 1 || Atomics.load(words, Header.state) !== SegmentState.retired) return false;
  return Atomics.load(words, Header.successor) === 0;
}

/** Gives up a generation that has not routed: whoever has come to it finds it retired, and the one before it under the name. */
export async function giveUpSuccessor(place: SegmentPlace, next: Segment): Promise<void> {
  next.region.step(Point.retireSegment);
  Atomics.store(next.words, Header.state, SegmentState.retired);
  await restoreFormer(place);
}

/** A generation that was to be replaced, and has no successor, takes everybody again. One that is further already stays where it is. */
export function reopen({ region, words }: Segment): void {
  region.step(Point.openSegment);
  Atomics.compareExchange(words, Header.state, SegmentState.draining, SegmentState.open);
}

/** The former generation takes everybody again, and has the name. Done again where whoever did it died. */
export async function takeBack(place: SegmentPlace, former: Segment): Promise<void> {
  former.region.step(Point.openSegment);
  Atomics.store(former.words, Header.successor, 0);
  Atomics.store(former.words, Header.state, SegmentState.open);
  await restoreFormer(place);
}
