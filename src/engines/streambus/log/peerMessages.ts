import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';

/** Bytes of a segment that one replica asks of another. */
export interface SegmentRequest {
  readonly base: number;
  readonly position: number;
  readonly length: number;
}

/** `gone`: the segment is trimmed. `short`: it has not got as far. `unreadable`: a stretch that is shut off. */
export type SegmentAnswer =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'gone' | 'short' | 'unreadable' };

const segmentRequest = 1;
const answers = ['bytes', 'gone', 'short', 'unreadable'] as const;

export function encodeSegmentRequest(request: SegmentRequest): Uint8Array {
  const writer = new ByteWriter(17);
  writer.u8(segmentRequest);
  writer.f64(request.base);
  writer.u32(request.position);
  writer.u32(request.length);
  return writer.take();
}

/** Throws on anything that `encodeSegmentRequest` did not write. */
export function decodeSegmentRequest(bytes: Uint8Array): SegmentRequest {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  if (kind !== segmentRequest) throw new Error(`a request for a segment has kind ${segmentRequest}, got ${kind}`);
  return { base: reader.f64(), position: reader.u32(), length: reader.u32() };
}

export function encodeSegmentAnswer(answer: SegmentAnswer): Uint8Array {
  const head = Uint8Array.of(answers.indexOf(answer.kind));
  if (answer.kind !== 'bytes') return head;
  const bytes = new Uint8Array(1 + answer.bytes.length);
  bytes.set(head);
  bytes.set(answer.bytes, 1);
  return bytes;
}

/** Throws on anything that `encodeSegmentAnswer` did not write. */
export function decodeSegmentAnswer(bytes: Uint8Array): SegmentAnswer {
  const kind = answers[bytes[0] ?? answers.length];
  if (kind === undefined) throw new Error(`an answer about a segment has a kind of 0 to 3, got ${bytes[0]}`);
  return kind === 'bytes' ? { kind, bytes: bytes.subarray(1) } : { kind };
}
