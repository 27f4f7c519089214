const encoder = new TextEncoder();

/** Number of the shard, 0 to `count` − 1, that keeps a name: FNV-1a (Fowler, Noll, Vo), 32 bits, over its UTF-8. */
export function shardNumber(name: string, count: number): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return count === 0 ? 0 : hash % count;
}
