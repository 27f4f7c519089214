import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { NotProposed } from '../broker/group.ts';
import type { PartitionCore } from './core.ts';
import { encodeTrim } from './entries.ts';
import type { LogState } from './logState.ts';
import type { Segment } from './segmentList.ts';
import type { PartitionSettings } from './settings.ts';

/** What DeleteRecords answers for a partition. */
export interface Deleted {
  readonly errorCode: number;
  /** -1 with an error. */
  readonly logStartOffset: number;
}

/** Moves the log's start by an entry, so that all replicas forget the same. `offset` -1: everything up to the high watermark. */
export async function deleteRecords(core: PartitionCore, offset: number): Promise<Deleted> {
  const failed = (errorCode: number): Deleted => ({ errorCode, logStartOffset: -1 });
  if (!core.handle.serving) return failed(kafkaErrors.NOT_LEADER_OR_FOLLOWER);
  const start = offset === -1 ? core.state.next : offset;
  if (start < 0 || start > core.state.next) return failed(kafkaErrors.OFFSET_OUT_OF_RANGE);
  if (start <= core.state.start) return { errorCode: kafkaErrors.NONE, logStartOffset: core.state.start };
  try {
    await core.handle.propose(encodeTrim(start));
  } catch (error) {
    return failed(error instanceof NotProposed ? kafkaErrors.NOT_LEADER_OR_FOLLOWER : kafkaErrors.REQUEST_TIMED_OUT);
  }
  return { errorCode: kafkaErrors.NONE, logStartOffset: core.state.start };
}

/** What retention asks of the leader's log. */
export interface RetentionPlan {
  /** The active segment is too old, too: it is sealed first. */
  readonly roll: boolean;
  /** First offset to keep. */
  readonly start: number;
}

/**
 * What the topic's retention lets go of: whole segments from the oldest on, by the times of their records or by size; never what an
 * open transaction may still need. Undefined: nothing. Compaction alone deletes nothing.
 */
export function planRetention(state: LogState, settings: PartitionSettings, wallMs: number): RetentionPlan | undefined {
  if (!settings.deleted) return undefined;
  const { all, active } = state.segments;
  const oldest = settings.retentionMs < 0 ? Number.NEGATIVE_INFINITY : wallMs - settings.retentionMs;
  const isOld = (segment: Segment): boolean => segment.maxTimestamp >= 0 && segment.maxTimestamp < oldest;
  let bytes = state.segments.bytes;
  let start = state.start;
  for (const [n, segment] of all.entries()) {
    const end = all[n + 1]?.base ?? state.next;
    const tooMuch = settings.retentionBytes >= 0 && bytes - segment.bytes >= settings.retentionBytes;
    if (segment === active ? !isOld(segment) || segment.bytes === 0 : !isOld(segment) && !tooMuch) break;
    if (end > state.stable) break;
    bytes -= segment.bytes;
    start = end;
  }
  if (start <= state.start) return undefined;
  return { roll: start > active.base, start };
}
