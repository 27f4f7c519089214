import { distance } from './cursor.ts';
import { Cut, CutLane, CutProducer, cutLaneWords, cutProducerWords, type SegmentSizes } from './layout.ts';

/** By this a word of the segment is less than what it has counted, each time that it went round. */
const round = 2 ** 32;

/**
 * Puts the cursors of the first cut that a process reads among `totals`. Each word of a cut has lost how often it went round, but they belong together: a
 * source was taken as often at least as its messages had no route, a lane's tail is its head's distance ahead. Without that, what is told as the
 * difference of two words would be negative for as long as the router runs.
 */
export function beginCursors(
  totals: Float64Array,
  cut: Int32Array,
  { producers, lanes }: Pick<SegmentSizes, 'producers' | 'lanes'>,
): void {
  for (let producer = 0; producer < producers; producer += 1) {
    const at = Cut.body + producer * cutProducerWords;
    const taken = lifted(counted(cut, at + CutProducer.sourceHead), counted(cut, at + CutProducer.noRoute));
    totals[at + CutProducer.sourceHead] = taken;
    totals[at + CutProducer.sourceTail] =
      taken + between(cut, at + CutProducer.sourceHead, at + CutProducer.sourceTail);
  }
  for (let lane = 0; lane < lanes; lane += 1) {
    const at = Cut.body + producers * cutProducerWords + lane * cutLaneWords;
    const sum = (...fields: readonly number[]): number =>
      fields.reduce((so, field) => so + counted(cut, at + field), 0);
    const unread = between(cut, at + CutLane.head, at + CutLane.tail);
    const out = sum(CutLane.droppedOldest, CutLane.droppedDetached, CutLane.requeuedOut);
    const came = sum(CutLane.requeuedIn, CutLane.redelivered);
    const head = lifted(counted(cut, at + CutLane.head), Math.max(out, came - unread));
    totals[at + CutLane.head] = head;
    totals[at + CutLane.tail] = head + unread;
  }
}

function counted(cut: Int32Array, at: number): number {
  return (cut[at] ?? 0) >>> 0;
}

function between(cut: Int32Array, from: number, to: number): number {
  return Math.max(0, distance(cut[to] ?? 0, cut[from] ?? 0));
}

/** The least that the word can have counted which is not below `least`. */
function lifted(word: number, least: number): number {
  return word + Math.max(0, Math.ceil((least - word) / round)) * round;
}
