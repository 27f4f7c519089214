import { badArgument, kindOf } from './badArgument.ts';

/**
 * What a program may hand over as a payload, and what it is told of anything else. Types say it to who compiles with them; who does not would publish other
 * bytes than meant: `set` converts a view's elements one by one.
 */

/** The bytes of any view of a buffer, as they lie there. Throws IB_BAD_CONFIG for what is no view. */
export function bytesOfPayload(payload: unknown): Uint8Array {
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  throw badArgument('payload', 'a Uint8Array or another view of a buffer', kindOf(payload), howToView(payload));
}

/** The words of an Int32Array of another realm, or of a Uint32Array. Throws IB_BAD_CONFIG for anything else. */
export function wordsOfPayload(payload: unknown): Int32Array {
  const kind = kindOf(payload);
  if (ArrayBuffer.isView(payload) && (kind === 'Int32Array' || kind === 'Uint32Array')) {
    return new Int32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4);
  }
  throw badArgument('words', 'an Int32Array or a Uint32Array', kind, '; publish() takes the bytes of any view');
}

/** A view of a buffer that was transferred away has no bytes any more. Throws IB_BAD_CONFIG for one. */
export function checkAttached({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw badArgument('payload', 'a view of a buffer that is there', 'one of a buffer that was transferred away');
  }
}

/** Throws IB_BAD_CONFIG for a key that is no whole number of 32 bits, with a sign or without. */
export function checkKey(key: unknown): void {
  if (typeof key === 'number' && ((key | 0) === key || key >>> 0 === key)) return;
  const got = typeof key === 'number' ? String(key) : kindOf(key);
  const expected = `a whole number from ${-(2 ** 31)} to ${2 ** 32 - 1}`;
  throw badArgument('key', expected, got, '; hash what is longer or no number');
}

function howToView(payload: unknown): string {
  if (typeof payload === 'string') return ': encode it, new TextEncoder().encode(text)';
  const kind = kindOf(payload);
  return kind === 'ArrayBuffer' || kind === 'SharedArrayBuffer' ? ': give new Uint8Array(buffer)' : '';
}
