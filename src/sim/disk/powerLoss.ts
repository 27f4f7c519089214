import type { RandomStream } from '../../host/random.ts';
import type { PowerLossMode } from '../devices.ts';
import { type FileNode, sectorBytes } from './fileNode.ts';

/**
 * Resolves what of a file survives a power loss: first what the device had only promised (its volatile cache), then what
 * no sync had covered. Each sector is decided on its own; bytes of a sector that no unsynced write has changed survive
 * in every mode. The length is decided apart from the content. Sources of the modes: Pillai et al., "All File Systems
 * Are Not Created Equal" (OSDI '14), §3; Zheng et al., "Understanding the Robustness of SSDs under Power Fault" (FAST '13).
 */
export function resolvePowerLoss(file: FileNode, mode: PowerLossMode, random: RandomStream): void {
  resolveVolatile(file, mode, random);
  const versions = file.unsynced();
  const oldLength = file.mediaLength;
  const newLength = file.length;
  const cut = file.unsyncedCut;
  let length = oldLength;
  if (cut === Number.POSITIVE_INFINITY) length = chooseLength(oldLength, newLength, mode, random);
  else if (mode === 'all-durable' || (mode !== 'drop' && random.chance(0.5))) {
    // The cut was kept; what made the file longer after it is decided apart.
    file.media.truncate(cut);
    length = chooseLength(Math.min(cut, oldLength), newLength, mode, random);
  }
  const before = new Map<number, readonly Uint8Array[]>();
  for (const [sector, list] of versions) {
    before.set(sector, [file.media.slice(sector * sectorBytes, sectorBytes), ...list]);
  }
  writeResolved(file, before, mode, random);
  file.media.truncate(length);
  file.mediaLength = length;
  file.dropCache();
}

/** Puts back, by mode, what the volatile cache of the device had covered. */
function resolveVolatile(file: FileNode, mode: PowerLossMode, random: RandomStream): void {
  const [oldest] = file.volatile;
  if (oldest === undefined) return;
  const versions = new Map<number, readonly Uint8Array[]>();
  for (const batch of file.volatile) {
    for (const [sector, bytes] of batch.before) {
      if (versions.has(sector)) continue;
      versions.set(sector, [bytes, file.media.slice(sector * sectorBytes, sectorBytes)]);
    }
  }
  const length = chooseLength(oldest.length, file.mediaLength, mode, random);
  file.volatile.length = 0;
  // What a process sees follows the page cache, and that is lost right after this.
  writeResolved(file, versions, mode, random);
  file.media.truncate(length);
  file.mediaLength = length;
}

function chooseLength(oldLength: number, newLength: number, mode: PowerLossMode, random: RandomStream): number {
  if (mode === 'drop' || oldLength === newLength) return oldLength;
  if (mode === 'all-durable') return newLength;
  const choice = random.integer(0, 2);
  if (choice === 0) return oldLength;
  if (choice === 1 || newLength < oldLength) return newLength;
  // A file grows in steps as its blocks are written back.
  const sectors = Math.floor((newLength - oldLength) / sectorBytes);
  return oldLength + random.integer(0, sectors) * sectorBytes;
}

/** `versions`: what lay on the device, then each unsynced content in order. */
function writeResolved(
  file: FileNode,
  versions: ReadonlyMap<number, readonly Uint8Array[]>,
  mode: PowerLossMode,
  random: RandomStream,
): void {
  const sectors = [...versions.keys()].sort((a, b) => a - b);
  const kept = mode === 'tear' ? tornSectors(sectors, random) : undefined;
  for (const sector of sectors) {
    const list = versions.get(sector) ?? [];
    const old = list[0];
    const newest = list.at(-1);
    if (old === undefined || newest === undefined) continue;
    file.media.write(sector * sectorBytes, resolveSector(list, old, newest, mode, kept?.has(sector), random));
  }
}

/** Each run of neighbouring sectors is cut at a random place: one side of it is new. */
function tornSectors(sectors: readonly number[], random: RandomStream): Set<number> {
  const kept = new Set<number>();
  for (let start = 0; start < sectors.length; ) {
    let end = start + 1;
    while (end < sectors.length && sectors[end] === (sectors[end - 1] ?? 0) + 1) end += 1;
    const split = random.integer(start, end);
    const head = random.chance(0.75);
    for (const sector of head ? sectors.slice(start, split) : sectors.slice(split, end)) kept.add(sector);
    start = end;
  }
  return kept;
}

function resolveSector(
  versions: readonly Uint8Array[],
  old: Uint8Array,
  newest: Uint8Array,
  mode: PowerLossMode,
  torn: boolean | undefined,
  random: RandomStream,
): Uint8Array {
  if (mode === 'drop') return old;
  if (mode === 'all-durable') return newest;
  if (mode === 'tear') return torn === true ? newest : old;
  if (mode === 'reorder') return random.pick(versions);
  const choice = random.integer(0, 3);
  if (choice === 0) return old;
  if (choice === 1) return newest;
  return spoil(old, newest, choice === 2, random);
}

/** Old up to a random byte and new after it, or garbage: within the bytes that differ, so that synced ones survive. */
function spoil(old: Uint8Array, newest: Uint8Array, mixed: boolean, random: RandomStream): Uint8Array {
  let first = 0;
  while (first < sectorBytes && old[first] === newest[first]) first += 1;
  if (first === sectorBytes) return old;
  let last = sectorBytes - 1;
  while (old[last] === newest[last]) last -= 1;
  const out = old.slice();
  if (mixed) out.set(newest.subarray(first, random.integer(first, last)), first);
  else {
    const garbage = random.bytes(last + 1 - first);
    // Two writes may have left a synced byte between them.
    for (let n = first; n <= last; n++) if (old[n] !== newest[n]) out[n] = garbage[n - first] ?? 0;
  }
  return out;
}
