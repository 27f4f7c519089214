import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import type { LogStateData } from './logState.ts';

/** Version of the bytes below. */
const format = 1;

/** The fold of a log as bytes: the content of checkpoints and snapshots. */
export function encodeLogState(state: LogStateData): Uint8Array {
  const writer = new ByteWriter(256 + state.producers.length * 128);
  writer.u8(format);
  writer.f64(state.start);
  writer.f64(state.next);
  writer.u32(state.limits.segmentBytes);
  writer.f64(state.limits.segmentAgeMs);
  writer.u32(state.segments.length);
  for (const segment of state.segments) {
    writer.f64(segment.base);
    writer.u32(segment.bytes);
    writer.f64(segment.firstTimestamp);
    writer.f64(segment.maxTimestamp);
  }
  writer.u32(state.epochs.length);
  for (const { epoch, startOffset } of state.epochs) {
    writer.i32(epoch);
    writer.f64(startOffset);
  }
  writer.u32(state.producers.length);
  for (const producer of state.producers) {
    writer.f64(producer.producerId);
    writer.i16(producer.epoch);
    writer.i32(producer.coordinatorEpoch);
    writer.f64(producer.lastTimestamp);
    writer.f64(producer.lastOffset);
    writer.f64(producer.transactionStart);
    writer.u32(producer.recent.length);
    for (const number of producer.recent) writer.f64(number);
  }
  writer.u32(state.aborted.length);
  for (const transaction of state.aborted) {
    writer.f64(transaction.producerId);
    writer.f64(transaction.firstOffset);
    writer.f64(transaction.lastOffset);
    writer.f64(transaction.stableOffset);
  }
  return writer.take();
}

/** Reads what `encodeLogState` wrote. Throws on anything else. */
export function decodeLogState(bytes: Uint8Array): LogStateData {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== format) throw new Error(`state of a log: expected format ${format}, got ${version}`);
  const state: LogStateData = {
    start: reader.f64(),
    next: reader.f64(),
    limits: { segmentBytes: reader.u32(), segmentAgeMs: reader.f64() },
    segments: reader.list(28, () => ({
      base: reader.f64(),
      bytes: reader.u32(),
      firstTimestamp: reader.f64(),
      maxTimestamp: reader.f64(),
    })),
    epochs: reader.list(12, () => ({ epoch: reader.i32(), startOffset: reader.f64() })),
    producers: reader.list(42, () => ({
      producerId: reader.f64(),
      epoch: reader.i16(),
      coordinatorEpoch: reader.i32(),
      lastTimestamp: reader.f64(),
      lastOffset: reader.f64(),
      transactionStart: reader.f64(),
      recent: reader.list(8, () => reader.f64()),
    })),
    aborted: reader.list(32, () => ({
      producerId: reader.f64(),
      firstOffset: reader.f64(),
      lastOffset: reader.f64(),
      stableOffset: reader.f64(),
    })),
  };
  if (reader.left > 0) throw new Error(`state of a log: ${reader.left} bytes are left over`);
  return state;
}
