/**
 * What a program may hand over as a payload, and what it is told of anything else. Types say it to who compiles with them; who does not would publish other
 * bytes than meant: `set` converts a view's elements one by one.
 */

/** The bytes of any view of a buffer, as they lie there. Throws TypeError for what is no view. */
export function bytesOfPayload(payload: unknown): Uint8Array {
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  throw new TypeError(
    `payload: expected a Uint8Array or another view of a buffer, got ${kindOf(payload)}${howToView(payload)}`,
  );
}

/** The words of an Int32Array of another realm, or of a Uint32Array. Throws TypeError for anything else. */
export function wordsOfPayload(payload: unknown): Int32Array {
  const kind = kindOf(payload);
  if (ArrayBuffer.isView(payload) && (kind === 'Int32Array' || kind === 'Uint32Array')) {
    return new Int32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4);
  }
  throw new TypeError(
    `words: expected an Int32Array or a Uint32Array, got ${kind}; publish() takes the bytes of any view`,
  );
}

/** A view of a buffer that was transferred away has no bytes any more. Throws TypeError for one. */
export function checkAttached({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError(
      'payload: expected a view of a buffer that is there, got one of a buffer that was transferred away',
    );
  }
}

/** Throws TypeError for a key that is no whole number of 32 bits, with a sign or without. */
export function checkKey(key: unknown): void {
  if (typeof key === 'number' && ((key | 0) === key || key >>> 0 === key)) return;
  const got = typeof key === 'number' ? String(key) : kindOf(key);
  throw new TypeError(
    `key: expected a whole number from ${-(2 ** 31)} to ${2 ** 32 - 1}, got ${got}; hash what is longer or no number`,
  );
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function howToView(payload: unknown): string {
  if (typeof payload === 'string') return ': encode it, new TextEncoder().encode(text)';
  const kind = kindOf(payload);
  return kind === 'ArrayBuffer' || kind === 'SharedArrayBuffer' ? ': give new Uint8Array(buffer)' : '';
}
