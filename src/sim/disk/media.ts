import type { Device } from './device.ts';
import { type FileNode, type SectorRun, type SyncSnapshot, sectorBytes, type VolatileBatch } from './fileNode.ts';

/**
 * Brings a snapshot to the device, and before it every older one of the same file, so that an old sector never lands on
 * a new one. Here strike the faults of the media that the device does not report: lost and misdirected writes, and the
 * volatile cache of a lying sync.
 */
export function commitSnapshot(device: Device, file: FileNode, path: () => string, snapshot: SyncSnapshot): void {
  for (const older of [...file.inFlight]) {
    commitOne(device, file, path, older);
    if (older === snapshot) return;
  }
}

function commitOne(device: Device, file: FileNode, path: () => string, snapshot: SyncSnapshot): void {
  const lying = device.rules.of('lying-sync', path)[0];
  const batch: VolatileBatch | undefined =
    lying === undefined ? undefined : { length: file.mediaLength, before: new Map() };
  if (snapshot.cut < file.mediaLength) cutMedia(file, snapshot.cut, batch);
  for (const run of snapshot.runs) writeRun(device, file, path, run, batch);
  file.mediaLength = snapshot.length;
  file.settle(snapshot);
  if (batch === undefined || lying === undefined) return;
  file.volatile.push(batch);
  device.later(lying.rule.delayMs, `disk ${device.name} drains`, () => {
    const index = file.volatile.indexOf(batch);
    if (index >= 0) file.volatile.splice(0, index + 1);
  });
}

function cutMedia(file: FileNode, cut: number, batch: VolatileBatch | undefined): void {
  const first = Math.floor(cut / sectorBytes);
  const end = Math.ceil(file.mediaLength / sectorBytes);
  for (let sector = first; batch !== undefined && sector < end; sector++) remember(file, batch, sector);
  file.media.truncate(cut);
  for (const map of [file.damage, file.badSectors]) {
    for (const sector of map.keys()) if (sector * sectorBytes >= cut) map.delete(sector);
  }
}

function remember(file: FileNode, batch: VolatileBatch, sector: number): void {
  if (!batch.before.has(sector)) batch.before.set(sector, file.media.slice(sector * sectorBytes, sectorBytes));
}

function writeRun(
  device: Device,
  file: FileNode,
  path: () => string,
  run: SectorRun,
  batch: VolatileBatch | undefined,
): void {
  const position = run.sector * sectorBytes;
  const count = run.bytes.byteLength / sectorBytes;
  for (let n = 0; batch !== undefined && n < count; n++) remember(file, batch, run.sector + n);
  if (!device.rules.isEmpty) {
    for (const lost of device.rules.of('lost-write', path, position, run.bytes.byteLength)) {
      if (!device.faultRandom.chance(lost.rule.share)) continue;
      keepPristine(file, run, lost.id);
      return;
    }
    for (const astray of device.rules.of('misdirected-write', path, position, run.bytes.byteLength)) {
      if (!device.faultRandom.chance(astray.rule.share)) continue;
      if (misdirect(device, file, run, astray.id)) return;
    }
  }
  file.bringToMedia(run);
  if (file.damage.size === 0 && file.badSectors.size === 0) return;
  for (let n = 0; n < count; n++) {
    file.damage.delete(run.sector + n);
    file.badSectors.delete(run.sector + n);
  }
}

/** Notes what should stand in the sectors of the run. */
function keepPristine(file: FileNode, run: SectorRun, rule: number): void {
  for (let n = 0; n * sectorBytes < run.bytes.byteLength; n++) {
    const pristine = run.bytes.slice(n * sectorBytes, (n + 1) * sectorBytes);
    file.damage.set(run.sector + n, { pristine, rule });
  }
}

/** Writes the run somewhere else in the file; false when the file has no other place for it. */
function misdirect(device: Device, file: FileNode, run: SectorRun, rule: number): boolean {
  const count = run.bytes.byteLength / sectorBytes;
  const places = Math.floor(file.mediaLength / sectorBytes);
  // First sectors of places before the run and after it, none of which shares a sector with it.
  const before = Math.max(0, Math.min(run.sector, places) - count + 1);
  const after = Math.max(0, places - count - (run.sector + count) + 1);
  if (before + after === 0) return false;
  const choice = device.faultRandom.integer(0, before + after - 1);
  const target = choice < before ? choice : run.sector + count + (choice - before);
  for (let n = 0; n < count; n++) {
    const pristine = file.damage.get(target + n)?.pristine ?? file.media.slice((target + n) * sectorBytes, sectorBytes);
    file.damage.set(target + n, { pristine, rule });
  }
  keepPristine(file, run, rule);
  file.media.write(target * sectorBytes, run.bytes);
  return true;
}

/**
 * Flips `bits` random bits of the files on the device, within `range` and the files' length; the same at every later
 * read, until the sector is rewritten or the fault is healed. Returns how many sectors were hit.
 */
export function rotBits(
  device: Device,
  files: readonly FileNode[],
  bits: number,
  range: { from: number; to: number },
  rule: number,
): number {
  const spans = files
    .map((file) => ({ file, from: range.from, to: Math.min(range.to, file.mediaLength) }))
    .filter((span) => span.to > span.from);
  let total = 0;
  for (const span of spans) total += span.to - span.from;
  const hit = new Set<string>();
  const flipped = new Set<string>();
  while (total > 0 && flipped.size < Math.min(bits, total * 8)) {
    let at = device.faultRandom.integer(0, total - 1);
    const span = spans.find(({ from, to }) => {
      if (at < to - from) return true;
      at -= to - from;
      return false;
    });
    if (span === undefined) break;
    const position = span.from + at;
    const bit = device.faultRandom.integer(0, 7);
    const key = `${span.file.id}/${position}/${bit}`;
    // A bit that is flipped twice is whole again.
    if (flipped.has(key)) continue;
    flipped.add(key);
    const sector = Math.floor(position / sectorBytes);
    hit.add(`${span.file.id}/${sector}`);
    const before = span.file.media.slice(sector * sectorBytes, sectorBytes);
    if (!span.file.damage.has(sector)) span.file.damage.set(sector, { pristine: before.slice(), rule });
    before[position % sectorBytes] = (before[position % sectorBytes] ?? 0) ^ (1 << bit);
    span.file.media.write(sector * sectorBytes, before);
    span.file.evict(position, position + 1);
  }
  device.rottedSectors += hit.size;
  return hit.size;
}

/** Makes the sectors of the range unreadable until they are written again. */
export function breakSectors(file: FileNode, range: { from: number; to: number }, rule: number): void {
  const end = Math.ceil(Math.min(range.to, file.mediaLength) / sectorBytes);
  for (let sector = Math.floor(range.from / sectorBytes); sector < end; sector++) file.badSectors.set(sector, rule);
  file.evict(range.from, range.to);
}

/** Puts back what this fault damaged, where it was not rewritten since. */
export function healDamage(device: Device, rule: number): void {
  for (const file of device.names.files().values()) {
    let touched = false;
    for (const [sector, damage] of file.damage) {
      if (damage.rule !== rule) continue;
      file.media.write(sector * sectorBytes, damage.pristine);
      file.damage.delete(sector);
      touched = true;
    }
    for (const [sector, owner] of file.badSectors) if (owner === rule) file.badSectors.delete(sector);
    if (touched) file.evict();
  }
}
