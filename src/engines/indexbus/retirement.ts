import { BusError } from './errors.ts';
import { Header, SegmentState } from './layout.ts';
import type { Segment } from './segment.ts';

/** Whether a segment has been replaced by its next generation: it makes no seat live any more, and may have no router. */
export function isRetired({ words }: Pick<Segment, 'words'>): boolean {
  return Atomics.load(words, Header.state) === SegmentState.retired;
}

/** What who asks such a segment for something is told. */
export function retired({ name, generation }: Segment): BusError {
  return new BusError('IB_RETIRED', `generation ${generation} of ${name} takes nobody any more: join its successor`);
}

/** Whether a segment is one that a roll builds: it routes when everybody has left the former one. */
export function isAwaited({ words }: Pick<Segment, 'words'>): boolean {
  return Atomics.load(words, Header.state) === SegmentState.waiting;
}

/** How who meets a roll learns what that waits for. */
export const rollAdvice = 'hotfire indexbus rolling says whom that waits for';
