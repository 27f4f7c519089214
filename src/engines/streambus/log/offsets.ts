import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import {
  attributeBits,
  batchHeaderBytes,
  batchOverheadBytes,
  codecOf,
  readBatchHeader,
} from '../../../wire/kafka/recordBatch.ts';
import { walkRecords } from '../../../wire/kafka/records.ts';
import { NotProposed } from '../broker/group.ts';
import type { Appender } from './append.ts';
import { lastOffsetOf } from './batchView.ts';
import type { PartitionCore } from './core.ts';
import { highWatermarkOf, lastStableOffsetOf } from './fetch.ts';
import { readBatches } from './read.ts';
import type { OffsetAnswer, ReadRequest } from './replica.ts';

/** Times that stand for an end of the log, as Kafka's protocol has them. */
export const timestampOf = { latest: -1, earliest: -2, largest: -3 } as const;

const searchBytes = 256 * 1024;

/** A record by its place and time. */
interface Found {
  readonly offset: number;
  readonly timestampMs: number;
}

/** Answers ListOffsets for one partition, confirmed by ReadIndex. */
export async function findOffset(
  core: PartitionCore,
  appender: Appender,
  timestampMs: number,
  isolation: ReadRequest['isolation'],
): Promise<OffsetAnswer> {
  const nothing = (errorCode: number): OffsetAnswer => ({ errorCode, offset: -1, timestampMs: -1, leaderEpoch: -1 });
  try {
    await core.handle.readBarrier();
  } catch (error) {
    if (error instanceof NotProposed) return nothing(kafkaErrors.NOT_LEADER_OR_FOLLOWER);
    throw error;
  }
  const { state } = core;
  const limit = isolation === 'read-committed' ? lastStableOffsetOf(core, appender) : highWatermarkOf(core, appender);
  const at = (offset: number, time: number): OffsetAnswer => ({
    errorCode: kafkaErrors.NONE,
    offset,
    timestampMs: time,
    leaderEpoch: state.epochs.at(offset) ?? (offset === state.next ? core.handle.term : -1),
  });
  if (timestampMs === timestampOf.latest) return at(limit, -1);
  if (timestampMs === timestampOf.earliest) return at(state.start, -1);
  const target = timestampMs === timestampOf.largest ? largestTime(core) : timestampMs;
  if (target < 0) return nothing(kafkaErrors.NONE);
  const found = await firstAtOrAfter(core, target, limit);
  if (found === 'unreadable') return nothing(kafkaErrors.KAFKA_STORAGE_ERROR);
  return found === undefined ? nothing(kafkaErrors.NONE) : at(found.offset, found.timestampMs);
}

function largestTime(core: PartitionCore): number {
  return core.state.segments.all.reduce((largest, segment) => Math.max(largest, segment.maxTimestamp), -1);
}

/** The first record below `end` whose time is `timestampMs` or later. */
async function firstAtOrAfter(
  core: PartitionCore,
  timestampMs: number,
  end: number,
): Promise<Found | 'unreadable' | undefined> {
  const segment = core.state.segments.all.find((candidate) => candidate.maxTimestamp >= timestampMs);
  if (segment === undefined) return undefined;
  const entry = await core.writer.index(segment.base).floorTime(timestampMs);
  let offset = Math.max(entry.offset, core.state.start);
  while (offset < end) {
    const read = await readBatches(core, offset, { end, maxBytes: searchBytes, minOne: true });
    if (read.kind === 'damaged') return 'unreadable';
    if (read.bytes === 0) return undefined;
    for (const piece of read.pieces) {
      for (let at = 0; at + batchHeaderBytes <= piece.length; ) {
        const header = readBatchHeader(piece, at);
        const batchEnd = at + header.batchLength + batchOverheadBytes;
        if (header.maxTimestamp >= timestampMs) {
          const found = withinBatch(piece.subarray(at, batchEnd), timestampMs, core.state.start);
          if (found !== undefined) return found;
        }
        offset = lastOffsetOf(header) + 1;
        at = batchEnd;
      }
    }
  }
  return undefined;
}

/** Plain batches are walked by record; of a compressed one its first offset is given: no record before it is late enough. */
function withinBatch(batch: Uint8Array, timestampMs: number, start: number): Found | undefined {
  const header = readBatchHeader(batch);
  if ((header.attributes & attributeBits.logAppendTime) !== 0) {
    return { offset: Math.max(header.baseOffset, start), timestampMs: header.maxTimestamp };
  }
  if (codecOf(header) !== 'none') {
    return {
      offset: Math.max(header.baseOffset, start),
      timestampMs: header.baseTimestamp >= timestampMs ? header.baseTimestamp : header.maxTimestamp,
    };
  }
  let found: Found | undefined;
  walkRecords(batch, (record) => {
    if (found === undefined && record.timestamp >= timestampMs && record.offset >= start) {
      found = { offset: record.offset, timestampMs: record.timestamp };
    }
  });
  return found;
}
