/**
 * A descriptor stands for one message in a ring: four words. Word 0 is the slot's number in its owner's pool, word 1 the byte length
 * (24 bits) and flags (8), word 2 the topic (16) and the key's hash (16), word 3 the producer's sequence. In lanes the owner's seat stands
 * in the upper bits of word 0, since a lane has messages of every producer.
 */

// What is computed with below is not exported itself: the compiler folds a module's own constants, and looks an exported one up with each use, even
// in the module that exports it. A shift by such a number has a result of unknown range then, and what is computed with that becomes a float.
const lengthMask = (1 << 24) - 1;
const ownerShift = 20;
const slotMask = (1 << ownerShift) - 1;

/** Words of a descriptor. */
export const descriptorWords = 4;
/** Longest payload that a descriptor can tell, in bytes. */
export const descriptorMaxBytes = lengthMask;

/** Bits of word 0 that number the slot; the owner's seat is above them (6 bits). */
export const slotBits = ownerShift;

/** Flags, as they stand in the upper byte of word 1. */
export const requeuedFlag = 1 << 24;
export const redeliveredFlag = 1 << 25;

/** Word 0 in a lane. */
export function ownedSlot(producer: number, slot: number): number {
  return (producer << ownerShift) | slot;
}

export function ownerOf(word0: number): number {
  return word0 >>> ownerShift;
}

export function slotOf(word0: number): number {
  return word0 & slotMask;
}

/** Payload bytes of word 1. */
export function bytesOf(word1: number): number {
  return word1 & lengthMask;
}

/** Word 2: topic below, hash of the key above. */
export function topicAndKey(topic: number, keyHash: number): number {
  return (topic & 0xffff) | (keyHash << 16);
}

export function topicOf(word2: number): number {
  return word2 & 0xffff;
}

export function keyHashOf(word2: number): number {
  return word2 >>> 16;
}

/** Sixteen bits of a 32-bit key: Fibonacci hashing (Knuth, TAOCP 3, 6.4), its upper bits. */
export function keyHash(key: number): number {
  return Math.imul(key, 0x9e37_79b1) >>> 16;
}
