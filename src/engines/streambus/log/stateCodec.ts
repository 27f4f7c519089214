import { ByteSink, ByteSource } from './byteCodec.ts';
import type { LogStateData } from './logState.ts';

/** Version of the bytes below. */
const format = 1;

/** The fold of a log as bytes: the content of checkpoints and snapshots. */
export function encodeLogState(state: LogStateData): Uint8Array {
  const sink = new ByteSink(256 + state.producers.length * 128);
  sink.u8(format);
  sink.f64(state.start);
  sink.f64(state.next);
  sink.u32(state.limits.segmentBytes);
  sink.f64(state.limits.segmentAgeMs);
  sink.u32(state.segments.length);
  for (const segment of state.segments) {
    sink.f64(segment.base);
    sink.u32(segment.bytes);
    sink.f64(segment.firstTimestamp);
    sink.f64(segment.maxTimestamp);
  }
  sink.u32(state.epochs.length);
  for (const { epoch, startOffset } of state.epochs) {
    sink.i32(epoch);
    sink.f64(startOffset);
  }
  sink.u32(state.producers.length);
  for (const producer of state.producers) {
    sink.f64(producer.producerId);
    sink.i16(producer.epoch);
    sink.i32(producer.coordinatorEpoch);
    sink.f64(producer.lastTimestamp);
    sink.f64(producer.lastOffset);
    sink.f64(producer.transactionStart);
    sink.u32(producer.recent.length);
    for (const number of producer.recent) sink.f64(number);
  }
  sink.u32(state.aborted.length);
  for (const transaction of state.aborted) {
    sink.f64(transaction.producerId);
    sink.f64(transaction.firstOffset);
    sink.f64(transaction.lastOffset);
    sink.f64(transaction.stableOffset);
  }
  return sink.finish();
}

/** Reads what `encodeLogState` wrote. Throws on anything else. */
export function decodeLogState(bytes: Uint8Array): LogStateData {
  const source = new ByteSource(bytes);
  const version = source.u8();
  if (version !== format) throw new Error(`state of a log: expected format ${format}, got ${version}`);
  const state: LogStateData = {
    start: source.f64(),
    next: source.f64(),
    limits: { segmentBytes: source.u32(), segmentAgeMs: source.f64() },
    segments: source.list(28, () => ({
      base: source.f64(),
      bytes: source.u32(),
      firstTimestamp: source.f64(),
      maxTimestamp: source.f64(),
    })),
    epochs: source.list(12, () => ({ epoch: source.i32(), startOffset: source.f64() })),
    producers: source.list(42, () => ({
      producerId: source.f64(),
      epoch: source.i16(),
      coordinatorEpoch: source.i32(),
      lastTimestamp: source.f64(),
      lastOffset: source.f64(),
      transactionStart: source.f64(),
      recent: source.list(8, () => source.f64()),
    })),
    aborted: source.list(32, () => ({
      producerId: source.f64(),
      firstOffset: source.f64(),
      lastOffset: source.f64(),
      stableOffset: source.f64(),
    })),
  };
  if (source.left > 0) throw new Error(`state of a log: ${source.left} bytes are left over`);
  return state;
}
