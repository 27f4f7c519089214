import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { Appender } from './append.ts';
import type { PartitionCore } from './core.ts';
import { readBatches } from './read.ts';
import type { ReadRequest, ReadResult } from './replica.ts';

/** Bytes of one read, whatever the client has room for: they are in memory at once. One larger batch is given all the same. */
const readBytesMax = 8 * 1024 * 1024;

type Diverging = ReadResult['diverging'];

/** Offset after the last record that consumers may see. */
export function highWatermarkOf(core: PartitionCore, appender: Appender): number {
  if (core.mutants.hwAtAppend) return Math.max(core.state.next, (appender.premature.at(-1)?.last ?? -1) + 1);
  return core.state.next;
}

/** First offset that readers of committed transactions may not see yet. */
export function lastStableOffsetOf(core: PartitionCore, appender: Appender): number {
  const { next, stable } = core.state;
  return core.mutants.lsoIgnoresOpen || stable === next ? highWatermarkOf(core, appender) : stable;
}

/** Why a request does not fit this leader's term; 0 when it does (KIP-320). */
export function epochError(core: PartitionCore, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === core.handle.term) return kafkaErrors.NONE;
  return currentLeaderEpoch < core.handle.term ? kafkaErrors.FENCED_LEADER_EPOCH : kafkaErrors.UNKNOWN_LEADER_EPOCH;
}

/** Serves what is there now. */
export async function fetchFrom(core: PartitionCore, appender: Appender, request: ReadRequest): Promise<ReadResult> {
  const { state, handle, host } = core;
  const highWatermark = highWatermarkOf(core, appender);
  const lastStableOffset = lastStableOffsetOf(core, appender);
  const answer = (
    errorCode: number,
    pieces: readonly Uint8Array[] = [],
    aborted: ReadResult['aborted'] = [],
    diverging?: Diverging,
  ): ReadResult => ({
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset: state.start,
    aborted,
    diverging,
    records: pieces,
    bytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
  });
  if (!handle.serving) return answer(kafkaErrors.NOT_LEADER_OR_FOLLOWER);
  const wrongEpoch = epochError(core, request.currentLeaderEpoch);
  if (wrongEpoch !== kafkaErrors.NONE) return answer(wrongEpoch);
  if (request.lastFetchedEpoch >= 0) {
    const end = state.epochs.endOf(request.lastFetchedEpoch, state.next);
    if (end.endOffset >= 0 && (end.endOffset < request.offset || end.epoch < request.lastFetchedEpoch)) {
      return answer(kafkaErrors.NONE, [], [], end);
    }
  }
  if (request.offset < state.start || request.offset > highWatermark) return answer(kafkaErrors.OFFSET_OUT_OF_RANGE);
  const committed = request.isolation === 'read-committed';
  const limit = committed ? lastStableOffset : highWatermark;
  host.telemetry.sometimes('LSO held', committed && lastStableOffset < highWatermark);
  if (core.mutants.hwAtAppend && request.offset >= state.next && request.offset < limit) {
    return answer(
      kafkaErrors.NONE,
      appender.premature.filter((batch) => batch.last >= request.offset).map((batch) => batch.bytes),
    );
  }
  const limits = {
    end: Math.min(limit, state.next),
    maxBytes: Math.min(request.maxBytes, readBytesMax),
    minOne: request.minOneBatch,
  };
  let offset = request.offset;
  for (;;) {
    const read = await readBatches(core, offset, limits);
    if (read.kind === 'damaged') {
      if (core.mutants.fetchErrorEmpty) return answer(kafkaErrors.NONE);
      if (!core.mutants.fetchSkipsMissing && !core.mutants.truncateAtBadCrc)
        return answer(kafkaErrors.KAFKA_STORAGE_ERROR);
      offset = read.range.lastOffset + 1;
      continue;
    }
    // Trimmed while the bytes were read: the transactions that were aborted there are forgotten, so they must not be given.
    if (offset < state.start) return answer(kafkaErrors.OFFSET_OUT_OF_RANGE);
    const upTo = read.bytes === 0 ? offset : endOfPieces(read.pieces);
    const aborted = committed && !core.mutants.abortedLost ? state.aborted.overlapping(request.offset, upTo) : [];
    return answer(kafkaErrors.NONE, read.pieces, aborted);
  }
}

/** Offset after the last batch of the pieces, each of which is a run of whole batches. */
function endOfPieces(pieces: readonly Uint8Array[]): number {
  const last = pieces.at(-1);
  if (last === undefined) return 0;
  const view = new DataView(last.buffer, last.byteOffset, last.byteLength);
  let at = 0;
  let end = 0;
  while (at < last.length) {
    end = Number(view.getBigInt64(at)) + view.getInt32(at + 23) + 1;
    at += view.getInt32(at + 8) + 12;
  }
  return end;
}
