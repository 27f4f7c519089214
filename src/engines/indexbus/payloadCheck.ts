/**
 * A word over a payload, never 0: multiply and rotate (as in MurmurHash3, Appleby). Good against torn copies, not against an adversary.
 */
export function payloadCheck(words: Int32Array, from: number, byteLength: number): number {
  let check = 0x9e37_79b1 | 0;
  const whole = byteLength >> 2;
  for (let index = 0; index < whole; index += 1) check = mixed(check, words[from + index] ?? 0);
  const rest = byteLength & 3;
  // Beyond the payload a slot has what an earlier message left.
  if (rest > 0) check = mixed(check, (words[from + whole] ?? 0) & ((1 << (rest * 8)) - 1));
  return check === 0 ? 1 : check;
}

function mixed(check: number, word: number): number {
  return Math.imul(((check << 5) | (check >>> 27)) ^ word, 0x85eb_ca6b);
}
