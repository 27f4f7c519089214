import { type Content, canonicalSignatures, type Prepared, RecordType } from './content.ts';
import type { Signature } from './model.ts';

/**
 * Payload of a record in the journal: length of the content (4 bytes, little-endian), the content's canonical bytes,
 * the signatures as canonical JSON (no bytes at all when there are none).
 */
const HEADER_BYTES = 4;

/** A payload is not one of the store's. */
export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

/** The two parts of a payload: views of its bytes. */
export interface PayloadParts {
  readonly content: Uint8Array;
  /** Empty when the record has no signatures. */
  readonly signatures: Uint8Array;
}

/** The payload of a record. */
export function encodePayload(record: Prepared): Uint8Array {
  const signatures = record.signatures.length === 0 ? '' : canonicalSignatures(record.signatures);
  const contentBytes = Buffer.byteLength(record.canonical, 'utf8');
  const payload = Buffer.allocUnsafe(HEADER_BYTES + contentBytes + signatures.length);
  payload.writeUInt32LE(contentBytes, 0);
  payload.write(record.canonical, HEADER_BYTES, 'utf8');
  // Signatures are hexadecimal digits and JSON's marks: one byte a character.
  if (signatures !== '') payload.write(signatures, HEADER_BYTES + contentBytes, 'latin1');
  return payload;
}

/** Splits a payload. @throws PayloadError when the lengths do not fit. */
export function splitPayload(payload: Uint8Array): PayloadParts {
  if (payload.length < HEADER_BYTES)
    throw new PayloadError(`expected at least ${HEADER_BYTES} bytes, got ${payload.length}`);
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const end = HEADER_BYTES + view.readUInt32LE(0);
  if (end > payload.length) throw new PayloadError(`expected ${end} bytes of content, got ${payload.length}`);
  return { content: view.subarray(HEADER_BYTES, end), signatures: view.subarray(end) };
}

/** The content of a payload. @throws PayloadError when it is not JSON of one of the store's records. */
export function decodeContent(type: number, bytes: Uint8Array): Content {
  if (!isRecordType(type)) throw new PayloadError(`expected a record type from 1 to 4, got ${type}`);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  try {
    return JSON.parse(text) as Content; // written by encodePayload after validation, and covered by the record's CRC
  } catch (error) {
    throw new PayloadError(`expected canonical JSON, got ${text.slice(0, 60)}`, { cause: error });
  }
}

/** The signatures of a payload. */
export function decodeSignatures(bytes: Uint8Array): Signature[] {
  if (bytes.length === 0) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return JSON.parse(text) as Signature[]; // written by encodePayload after validation, and covered by the record's CRC
}

/** Whether a record of the journal is the store's; the types from 240 on are the journal's own. */
export function isRecordType(type: number): type is RecordType {
  return type >= RecordType.assertion && type <= RecordType.agentWeight;
}
