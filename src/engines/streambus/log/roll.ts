import type { BatchHeader } from '../../../wire/kafka/recordBatch.ts';
import { bytesOf } from './batchView.ts';
import type { Segment } from './segmentList.ts';

/** When segments roll: stamped into the log by the leader, so that all replicas cut alike. */
export interface RollLimits {
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
}

/** What holds until the log says otherwise. */
export const firstRollLimits: RollLimits = { segmentBytes: 256 * 1024 * 1024, segmentAgeMs: 7 * 86_400_000 };

/** Whether a batch begins a new segment. Looks at content alone, never at a clock: sealed segments are identical everywhere. */
export function rollsBefore(segment: Segment, header: BatchHeader, limits: RollLimits): boolean {
  if (segment.bytes === 0) return false;
  if (segment.bytes + bytesOf(header) > limits.segmentBytes) return true;
  return (
    segment.firstTimestamp >= 0 &&
    header.maxTimestamp >= 0 &&
    header.maxTimestamp - segment.firstTimestamp > limits.segmentAgeMs
  );
}
