import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import {
  attributeBits,
  type BatchHeader,
  batchDefect,
  batchHeaderBytes,
  batchOverheadBytes,
  codecOf,
  isControl,
  isTransactional,
  readBatchHeader,
} from '../../../wire/kafka/recordBatch.ts';
import type { PartitionSettings } from './settings.ts';

/** A batch may not be appended: Kafka's number and why. */
export interface BatchRefusal {
  readonly errorCode: number;
  readonly message: string;
}

/** Produce requests below this version cannot speak of zstd (KIP-110). */
const zstdSinceVersion = 7;
/** 2^31−1: sequences wrap there. */
export const maxSequence = 2_147_483_647;

function refusal(errorCode: number, message: string): BatchRefusal {
  return { errorCode, message };
}

/** Tells a refusal from a header. */
export function isRefusal(checked: BatchHeader | BatchRefusal): checked is BatchRefusal {
  return 'errorCode' in checked;
}

/**
 * Checks what a producer sent for one partition: exactly one batch, whole, signed and within the topic's settings. Gives its
 * header, or why it is refused. `wallMs` is the leader's clock. Records of a compressed batch are not looked at.
 */
export function checkBatch(
  records: Uint8Array,
  version: number,
  transactional: boolean,
  settings: PartitionSettings,
  wallMs: number,
): BatchHeader | BatchRefusal {
  if (records.length > settings.maxMessageBytes) {
    return refusal(
      kafkaErrors.MESSAGE_TOO_LARGE,
      `the batch has ${records.length} bytes, max.message.bytes is ${settings.maxMessageBytes}`,
    );
  }
  if (holdsMoreThanOne(records)) {
    return refusal(kafkaErrors.INVALID_RECORD, 'expected one record batch a partition in a request, got more');
  }
  const defect = batchDefect(records);
  if (defect !== undefined) return refusal(defect.errorCode, defect.why);
  const header = readBatchHeader(records);
  return (
    checkFields(header, version, transactional, settings, wallMs) ?? checkRecords(records, header, settings) ?? header
  );
}

/** A whole batch and something behind it. */
function holdsMoreThanOne(records: Uint8Array): boolean {
  if (records.length < 2 * batchHeaderBytes) return false;
  const header = readBatchHeader(records);
  const bytes = header.batchLength + batchOverheadBytes;
  return header.magic === 2 && bytes >= batchHeaderBytes && bytes < records.length;
}

function checkFields(
  header: BatchHeader,
  version: number,
  transactional: boolean,
  settings: PartitionSettings,
  wallMs: number,
): BatchRefusal | undefined {
  if (isControl(header)) return refusal(kafkaErrors.INVALID_RECORD, 'control batches are written by the broker alone');
  if (codecOf(header) === 'zstd' && version < zstdSinceVersion) {
    return refusal(
      kafkaErrors.UNSUPPORTED_COMPRESSION_TYPE,
      `zstd needs Produce version ${zstdSinceVersion}, the request has ${version}`,
    );
  }
  if ((header.attributes & attributeBits.logAppendTime) !== 0) {
    return refusal(kafkaErrors.INVALID_TIMESTAMP, 'a producer must not set the time type to LogAppendTime');
  }
  if (settings.timestampType === 'CreateTime') {
    const earliest = wallMs - settings.timestampBeforeMaxMs;
    const latest = wallMs + settings.timestampAfterMaxMs;
    if ((header.baseTimestamp >= 0 && header.baseTimestamp < earliest) || header.maxTimestamp > latest) {
      return refusal(
        kafkaErrors.INVALID_TIMESTAMP,
        `times ${header.baseTimestamp} to ${header.maxTimestamp} are outside what the topic allows around ${wallMs}`,
      );
    }
  }
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0)) {
    return refusal(
      kafkaErrors.INVALID_RECORD,
      `an idempotent batch needs an epoch and a sequence, got ${header.producerEpoch} and ${header.baseSequence}`,
    );
  }
  if (isTransactional(header) && (header.producerId < 0 || !transactional)) {
    return refusal(
      kafkaErrors.INVALID_RECORD,
      'a transactional batch needs a producer id, and a transactional id in its request',
    );
  }
  return undefined;
}

/**
 * Walks plain records: their lengths fill the batch exactly, deltas count up from 0, and keys are there where compaction needs
 * them. On the produce path, so without an object a record.
 */
function checkRecords(b: Uint8Array, header: BatchHeader, settings: PartitionSettings): BatchRefusal | undefined {
  if (codecOf(header) !== 'none') return undefined;
  const wrong = (why: string): BatchRefusal => refusal(kafkaErrors.INVALID_RECORD, why);
  let at = batchHeaderBytes;
  for (let n = 0; n < header.recordCount; n++) {
    // Length, then inside of it: attributes, time delta, offset delta, key length.
    const length = varint(b, at);
    const end = cursor + length;
    if (length < 0 || end > b.length) return wrong(`record ${n} of ${header.recordCount} reaches past its batch`);
    skipVarint(b, cursor + 1);
    const offsetDelta = varint(b, cursor);
    if (offsetDelta !== n) return wrong(`record ${n} has offset delta ${offsetDelta}`);
    if (settings.compacted && varint(b, cursor) < 0) return wrong(`record ${n} has no key, the topic is compacted`);
    if (cursor > end) return wrong(`record ${n} is shorter than its fields`);
    at = end;
  }
  return at === b.length ? undefined : wrong(`${b.length - at} bytes follow the last record`);
}

/** Where the last read ended. */
let cursor = 0;

/** A zigzag varint of 32 bits; past the end it reads zeros, and the caller sees that it is past the end. */
function varint(b: Uint8Array, from: number): number {
  let at = from;
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = b[at++] ?? 0;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  cursor = at;
  return (value >>> 1) ^ -(value & 1);
}

function skipVarint(b: Uint8Array, from: number): void {
  let at = from;
  while ((b[at] ?? 0) >= 128) at += 1;
  cursor = at + 1;
}

/** The last sequence of a batch that begins at `first` and has `delta` more records: it wraps to 0 after 2^31−1. */
export function lastSequenceOf(first: number, delta: number): number {
  const last = first + delta;
  return last > maxSequence ? last - maxSequence - 1 : last;
}

/** What follows a sequence. */
export function nextSequenceOf(last: number): number {
  return last === maxSequence ? 0 : last + 1;
}
