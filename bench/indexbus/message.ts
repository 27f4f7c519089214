/**
 * A message: word k is its sequence + k. All sixteen are written and all compared, each by a statement of its own: what the compiler of C makes of a
 * loop of sixteen, the one of JavaScript does not.
 */

/** Words of a message. */
export const messageWords = 16;
/** Most messages of a receive, and of a poll. */
export const batchMost = 256;

/** Writes a message at `at`. */
export function writeMessage(words: Int32Array, at: number, sequence: number): void {
  words[at] = sequence;
  words[at + 1] = sequence + 1;
  words[at + 2] = sequence + 2;
  words[at + 3] = sequence + 3;
  words[at + 4] = sequence + 4;
  words[at + 5] = sequence + 5;
  words[at + 6] = sequence + 6;
  words[at + 7] = sequence + 7;
  words[at + 8] = sequence + 8;
  words[at + 9] = sequence + 9;
  words[at + 10] = sequence + 10;
  words[at + 11] = sequence + 11;
  words[at + 12] = sequence + 12;
  words[at + 13] = sequence + 13;
  words[at + 14] = sequence + 14;
  words[at + 15] = sequence + 15;
}

/** Bits in which eight words differ from what they should be. */
function wrongBits(words: Int32Array, at: number, value: number): number {
  return (
    ((words[at] ?? 0) ^ value) |
    ((words[at + 1] ?? 0) ^ (value + 1)) |
    ((words[at + 2] ?? 0) ^ (value + 2)) |
    ((words[at + 3] ?? 0) ^ (value + 3)) |
    ((words[at + 4] ?? 0) ^ (value + 4)) |
    ((words[at + 5] ?? 0) ^ (value + 5)) |
    ((words[at + 6] ?? 0) ^ (value + 6)) |
    ((words[at + 7] ?? 0) ^ (value + 7))
  );
}

/** Whether a message is whole and the one that is due. */
export function isWhole(words: Int32Array, at: number, sequence: number): boolean {
  return (wrongBits(words, at, sequence) | wrongBits(words, at + 8, sequence + 8)) === 0;
}

/** Throws unless the first `count` messages are whole and in order. */
export function checkAll(words: Int32Array, sequence: number, count: number): void {
  for (let index = 0; index < count; index += 1) {
    if (!isWhole(words, index * messageWords, (sequence + index) | 0)) {
      throw new Error(`message ${sequence + index} is torn`);
    }
  }
}
