const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Name of the only member of an object that stands for bytes. */
const bytesKey = '$hex';

/** Looks at the member itself: a Buffer has turned itself into something else by the time it is handed in. */
function replaceBytes(this: unknown, key: string, converted: unknown): unknown {
  const member: unknown = typeof this === 'object' && this !== null ? Reflect.get(this, key) : converted;
  return member instanceof Uint8Array ? { [bytesKey]: hexOf(member) } : converted;
}

/** JSON as UTF-8; bytes become `{"$hex": …}`, what is undefined is left out. Members keep their order: equal values built alike are equal bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value, replaceBytes));
}

/** The other direction of `encodeJson`. Throws `SyntaxError` or `TypeError` for anything else. */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes), (_, member: unknown) => {
    if (typeof member !== 'object' || member === null || !Object.hasOwn(member, bytesKey)) return member;
    const hex: unknown = Reflect.get(member, bytesKey);
    return typeof hex === 'string' ? bytesOfHex(hex) : member;
  });
}

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Hexadecimal digits as bytes; what follows the first that is none is dropped. */
export function bytesOfHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
