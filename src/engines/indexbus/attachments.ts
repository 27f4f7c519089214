import type { Host } from '../../host/host.ts';
import { BusError } from './errors.ts';
import type { Attachment } from './join.ts';
import { Header, SegmentState } from './layout.ts';
import { SeatLocks } from './seatLocks.ts';
import { isOfThisBoot, openSegment, type Segment, type SegmentPlace } from './segment.ts';

/** Time between two looks for a segment that is not there yet. */
const lookEveryMs = 50;

/**
 * Attaches to the segment of this name, waiting up to `timeoutMs` until there is one that routes. Rejects with IB_NO_SEGMENT, IB_RETIRED or what
 * the segment itself is refused with; with its reason at once where `signal` is aborted
 * while it waits.
 *
 * @param after only a later generation than this counts
 */
export async function attach(
  host: Host,
  place: SegmentPlace,
  timeoutMs: number,
  after?: number,
  signal?: AbortSignal,
): Promise<Attachment> {
  const deadline = host.clock.now() + timeoutMs;
  for (;;) {
    const refusal = await tryAttach(host, place, after);
    if (!(refusal instanceof BusError)) return refusal;
    const left = deadline - host.clock.now();
    const mayCome = refusal.code === 'IB_NO_SEGMENT' || refusal.code === 'IB_RETIRED';
    if (!mayCome || !(left > 0)) throw refusal;
    await host.clock.sleep(Math.min(left, lookEveryMs), signal);
  }
}

async function tryAttach(host: Host, place: SegmentPlace, after: number | undefined): Promise<Attachment | BusError> {
  let segment: Segment;
  try {
    segment = await openSegment(place);
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  const refusal = refusalOf(host, segment, after);
  if (refusal === undefined) return { segment, host, locks: new SeatLocks(segment) };
  segment.region.close();
  return refusal;
}

function refusalOf(host: Host, segment: Segment, after: number | undefined): BusError | undefined {
  const { name, generation, words } = segment;
  if (!isOfThisBoot(segment, host.shm)) {
    return new BusError('IB_NO_SEGMENT', `${name} is of an earlier boot; start its router: hotfire serve indexbus`);
  }
  if (generation === after) return new BusError('IB_RETIRED', `${name} has no later generation than ${generation}`);
  const state = Atomics.load(words, Header.state);
  if (state !== SegmentState.open && state !== SegmentState.waiting) {
    return new BusError('IB_RETIRED', `generation ${generation} of ${name} takes nobody any more`);
  }
  return undefined;
}
