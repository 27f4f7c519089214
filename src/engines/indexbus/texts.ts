const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes a text at a word, ended by a zero byte where it is shorter than its room. It must fit. */
export function writeText(bytes: Uint8Array, word: number, room: number, text: string): void {
  const encoded = encoder.encode(text);
  if (encoded.byteLength > room) throw new Error(`${text} has ${encoded.byteLength} bytes, there is room for ${room}`);
  const at = word * 4;
  bytes.fill(0, at, at + room);
  bytes.set(encoded, at);
}

/** Reads a text of at most `room` bytes, up to its zero byte. */
export function readText(bytes: Uint8Array, word: number, room: number): string {
  // Copied, since TextDecoder takes no shared memory.
  const copy = bytes.slice(word * 4, word * 4 + room);
  const end = copy.indexOf(0);
  return decoder.decode(end < 0 ? copy : copy.subarray(0, end));
}

/** Bytes of a text in UTF-8. */
export function textBytes(text: string): number {
  return encoder.encode(text).byteLength;
}
