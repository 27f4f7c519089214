/**
 * Integer hashing for seeds, labels and the fingerprint. Everything here gives the same numbers on every machine and
 * every engine: 32-bit integer arithmetic only.
 */

/** Finalizer of MurmurHash3: every bit of the input moves about half of the output's bits. */
export function avalanche(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** A 32-bit hash of a text (its UTF-16 units), as a signed integer. Different `salt`, independent hash. */
export function hashText(text: string, salt = 0): number {
  let h = avalanche(salt ^ 0x9e3779b9);
  for (let index = 0; index < text.length; index++) {
    h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
    h = (h << 13) | (h >>> 19);
  }
  return avalanche(h ^ text.length);
}

/** Eight hexadecimal digits of a 32-bit integer. */
export function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** Seed of the stream `label` under a root seed: 128 bits in hexadecimal, so that neighbouring seeds share nothing. */
export function deriveSeed(rootSeed: number, label: string): string {
  const text = `${rootSeed}/${label}`;
  return [1, 2, 3, 4].map((salt) => hex32(hashText(text, salt))).join('');
}
