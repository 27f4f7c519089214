/** Payloads that tell who sent them and are known to their last word from that: what is torn or mixed shows at any word. */

/** Words before the filling: who sent it, its number, its length in words. */
const headWords = 3;
const fillingMost = 40;

/** Words of a payload. */
export const payloadWordsMost = headWords + fillingMost;

/** A step of splitmix32 (Steele, Lea, Flood 2014, in the 32-bit form of its finalizer). */
export function mixed(value: number): number {
  let it = Math.imul(value ^ (value >>> 16), 0x21f0_aaad);
  it = Math.imul(it ^ (it >>> 15), 0x735a_2d97);
  return (it ^ (it >>> 15)) | 0;
}

export function payloadWords(sender: number, number: number): number {
  return headWords + ((mixed(sender * 7919 + number) >>> 0) % (fillingMost + 1));
}

function wordAt(sender: number, number: number, index: number, words: number): number {
  if (index === 0) return sender | 0;
  if (index === 1) return number | 0;
  if (index === 2) return words;
  return mixed(Math.imul(sender, 0x9e37_79b1) ^ Math.imul(number, 0x85eb_ca6b) ^ index);
}

/** Writes the payload and returns its words. */
export function fillPayload(target: Int32Array, sender: number, number: number): number {
  const words = payloadWords(sender, number);
  for (let index = 0; index < words; index += 1) target[index] = wordAt(sender, number, index, words);
  return words;
}

/** Sum over every word and its place. */
export function checksumOf(words: Int32Array, from: number, count: number): number {
  let sum = count;
  for (let index = 0; index < count; index += 1) sum = mixed(Math.imul(sum, 31) ^ (words[from + index] ?? 0));
  return sum;
}
