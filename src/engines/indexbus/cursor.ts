/**
 * Cursors are unsigned 32-bit numbers that wrap, kept in an `Int32Array`: they count messages since the segment was made, and their
 * low bits are a place in a ring. Only distances have a meaning; none here is ever above 2^30.
 */

/** What a frozen head is away from the head itself: half of all cursors, so that no consumer can expect or produce it. */
export const frozenBy = 0x8000_0000 | 0;

/** Messages from `from` to `to`, negative if `to` is behind. */
export function distance(to: number, from: number): number {
  return (to - from) | 0;
}

/** The cursor `count` further. */
export function advanced(cursor: number, count: number): number {
  return (cursor + count) | 0;
}

/** A head as the router freezes it, and a frozen one as it was: the same operation. */
export function frozen(head: number): number {
  return (head ^ frozenBy) | 0;
}

/** Whether `head` is frozen, told by a cursor that is near it: a tail, or a head seen before. */
export function isFrozen(head: number, near: number): boolean {
  const away = distance(head, near);
  return away >= 1 << 30 || away < -(1 << 30);
}
