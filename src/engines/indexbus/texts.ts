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

/** The words of a text, as many as its room has. It must fit. */
export function textWords(room: number, text: string): Int32Array {
  const words = new Int32Array(room / 4);
  writeText(new Uint8Array(words.buffer), 0, room, text);
  return words;
}

/**
 * Reads a text of at most `room` bytes, up to its zero byte, by atomic loads in the order of its words: loads that follow come after it, those before
 * come before it. For a text that another process may change meanwhile.
 */
export function loadText(words: Int32Array, word: number, room: number): string {
  const copy = new Int32Array(room / 4);
  for (let index = 0; index < copy.length; index += 1) {
    const value = Atomics.load(words, word + index);
    copy[index] = value;
    // The shortest test for a zero byte in a word (Mycroft, 1987): the text ends here.
    if (((value - 0x0101_0101) & ~value & 0x8080_8080) !== 0) break;
  }
  return readText(new Uint8Array(copy.buffer), 0, room);
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
