import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { NotProposed } from '../broker/group.ts';
import type { PartitionCore } from './core.ts';
import { encodeTrim } from './entries.ts';

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
