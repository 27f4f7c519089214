import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { makeDirectoryDurably, replaceFile } from '../atomicFile.ts';
import { type Context, closeQuietly, isMissing, messageOf, readPatiently } from './context.ts';
import { bytesOfHex, getUint64, hexOf, setUint64, viewOf } from './format.ts';
import type { Lsn } from './types.ts';

/**
 * The witness: a ring of 64 slots of 4096 bytes, on the other disk where there is one. A batch proves the one before it;
 * the witness proves the last one.
 *
 * ```
 * 0 magic "HFJW"  4 slot u32  8 sequence u64  16 journalId 16 B  32 segmentId u64  40 batchOffset u64  48 lastLsn u64
 * 56 batchHeaderCrc u32  60 flags u32 (1 clean)  64 crc u32
 * ```
 */
const slotBytes = 4096;
const slotCount = 64;
const contentBytes = 64;
const witnessMagic = 0x574a4648;

/** What one slot says: this batch was durable. */
export interface WitnessNote {
  readonly segmentId: number;
  readonly batchOffset: number;
  readonly lastLsn: Lsn;
  readonly batchHeaderCrc: number;
  /** The journal was closed after this batch and everything before it. */
  readonly clean: boolean;
}

/** A slot that was read. */
export interface WitnessSlot extends WitnessNote {
  readonly sequence: number;
  readonly journalId: string;
}

/** What a ring says. */
export interface WitnessRing {
  readonly exists: boolean;
  readonly newest: WitnessSlot | undefined;
  /** Slots that are neither empty nor intact: one may be the write that a crash cut. */
  readonly damagedSlots: number;
  readonly image: Uint8Array;
}

export function witnessPath(context: Pick<Context, 'settings'>): string {
  return `${context.settings.witnessDirectory}/${context.settings.name}.ring`;
}

/** Reads a ring; a missing file is an empty one. */
export async function readWitness(host: Context['host'], path: string): Promise<WitnessRing> {
  const image = new Uint8Array(slotBytes * slotCount);
  let file: DiskFile;
  try {
    file = await host.disk.open(path, { mode: 'read' });
  } catch (error) {
    if (isMissing(error)) return { exists: false, newest: undefined, damagedSlots: 0, image };
    throw error;
  }
  let newest: WitnessSlot | undefined;
  let damagedSlots = 0;
  try {
    for (let slot = 0; slot < slotCount; slot++) {
      const bytes = image.subarray(slot * slotBytes, (slot + 1) * slotBytes);
      try {
        await readPatiently(host, file, slot * slotBytes, bytes);
      } catch (error) {
        if (!(error instanceof DiskError) || error.code !== 'EIO') throw error;
        damagedSlots += 1;
        bytes.fill(0);
        continue;
      }
      const found = decodeSlot(bytes, slot);
      if (found === undefined) {
        if (bytes.some((byte) => byte !== 0)) damagedSlots += 1;
      } else if (newest === undefined || found.sequence > newest.sequence) newest = found;
    }
  } finally {
    await closeQuietly(file);
  }
  return { exists: true, newest, damagedSlots, image };
}

function decodeSlot(bytes: Uint8Array, slot: number): WitnessSlot | undefined {
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== witnessMagic || view.getUint32(4, true) !== slot) return undefined;
  if (crc32c(bytes.subarray(0, contentBytes)) !== view.getUint32(contentBytes, true)) return undefined;
  return {
    sequence: getUint64(view, 8),
    journalId: hexOf(bytes.subarray(16, 32)),
    segmentId: getUint64(view, 32),
    batchOffset: getUint64(view, 40),
    lastLsn: getUint64(view, 48),
    batchHeaderCrc: view.getUint32(56, true),
    clean: (view.getUint32(60, true) & 1) === 1,
  };
}

function encodeSlot(bytes: Uint8Array, slot: number, content: WitnessSlot): void {
  bytes.fill(0);
  const view = viewOf(bytes);
  view.setUint32(0, witnessMagic, true);
  view.setUint32(4, slot, true);
  setUint64(view, 8, content.sequence);
  bytes.set(bytesOfHex(content.journalId), 16);
  setUint64(view, 32, content.segmentId);
  setUint64(view, 40, content.batchOffset);
  setUint64(view, 48, content.lastLsn);
  view.setUint32(56, content.batchHeaderCrc, true);
  view.setUint32(60, content.clean ? 1 : 0, true);
  view.setUint32(contentBytes, crc32c(bytes.subarray(0, contentBytes)), true);
}

/** How long the log must be idle before a slot is written, and how often under load. */
const idleMs = 2;
const underLoadMs = 1000;

/** Writes slots: one at a time, soon after the log falls idle, at least each second under load. */
export class Witness {
  readonly #context: Context;
  readonly #journalId: string;
  readonly #image: Uint8Array;
  #sequence: number;
  #file: DiskFile | undefined;
  #latest: WitnessNote | undefined;
  #writing: Promise<void> | undefined;
  #timer: { cancel(): void } | undefined;
  #notedAt = 0;
  #wroteAt = 0;
  #averageMs = 0;
  #stopped = false;
  #closed = false;
  lastLsn: Lsn;

  constructor(context: Context, journalId: string, ring: WitnessRing) {
    this.#context = context;
    this.#journalId = journalId;
    this.#image = ring.image;
    this.#sequence = ring.newest?.sequence ?? 0;
    this.lastLsn = ring.newest?.lastLsn ?? 0;
    context.metrics.setWatermark('witnessLsn', this.lastLsn);
  }

  /** Makes the ring's file if there is none, and opens it. */
  async open(exists: boolean): Promise<void> {
    const { disk } = this.#context.host;
    if (!exists) {
      await makeDirectoryDurably(disk, this.#context.settings.witnessDirectory);
      await replaceFile(disk, witnessPath(this.#context), [this.#image]);
    }
    this.#file = await disk.open(witnessPath(this.#context), { mode: 'write' });
  }

  /** A batch is durable: a slot will say so when the log has been idle for 2 ms, or a second after the last slot. */
  noted(note: WitnessNote, averageWriteMs: number): void {
    this.#latest = note;
    this.#notedAt = this.#context.host.clock.now();
    this.#averageMs = averageWriteMs;
    if (this.#timer === undefined && !this.#stopped) this.#arm();
  }

  #arm(): void {
    const { clock, telemetry } = this.#context.host;
    const late = telemetry.buggify('witness-late') ? 200 : 0;
    const earliest = Math.max(this.#notedAt + idleMs, this.#wroteAt + 10 * this.#averageMs) + late;
    const latest = Math.max(this.#wroteAt + underLoadMs, clock.now() + idleMs) + late;
    this.#timer = clock.timer(Math.max(0, Math.min(earliest, latest) - clock.now()), () => {
      this.#timer = undefined;
      const now = clock.now();
      const isIdle = now - this.#notedAt >= idleMs && now - this.#wroteAt >= 10 * this.#averageMs;
      if (this.#stopped || this.#latest === undefined || this.#latest.lastLsn === this.lastLsn) return;
      if (!isIdle && now - this.#wroteAt < underLoadMs) this.#arm();
      else if (this.#writing === undefined) this.#inBackground();
    });
  }

  #inBackground(): void {
    const note = this.#latest;
    if (note === undefined) return;
    this.write(note).then(
      () => {
        if (this.#latest !== note && this.#timer === undefined && !this.#stopped) this.#arm();
      },
      (error: unknown) => {
        if (this.#stopped) return;
        this.#context.logger.error('witness cannot be written', { error: messageOf(error) });
        this.#timer ??= this.#context.host.clock.timer(60_000, () => {
          this.#timer = undefined;
          this.#inBackground();
        });
      },
    );
  }

  /**
   * Writes a slot durably. After a failure the whole ring is made anew (nothing syncs a file again whose sync has failed),
   * `tries` times, one second apart. Rejects with the last error.
   */
  async write(note: WitnessNote, tries = 3): Promise<void> {
    while (this.#writing !== undefined) await this.#writing.catch(() => undefined);
    // A note that waited behind another one's tries must not write behind the lock of the next process.
    if (this.#closed) throw new Error('the witness is closed');
    const writing = this.#writeSlot(note, tries);
    this.#writing = writing;
    try {
      await writing;
    } finally {
      if (this.#writing === writing) this.#writing = undefined;
    }
  }

  async #writeSlot(note: WitnessNote, tries: number): Promise<void> {
    const { clock, disk } = this.#context.host;
    if (note.lastLsn < this.lastLsn) return;
    this.#sequence += 1;
    const slot = this.#sequence % slotCount;
    const bytes = this.#image.subarray(slot * slotBytes, (slot + 1) * slotBytes);
    encodeSlot(bytes, slot, { ...note, sequence: this.#sequence, journalId: this.#journalId });
    for (let attempt = 0; ; attempt++) {
      try {
        if (this.#file !== undefined) {
          await this.#file.write(slot * slotBytes, [bytes], { durable: true });
        } else {
          await replaceFile(disk, witnessPath(this.#context), [this.#image]);
          this.#file = await disk.open(witnessPath(this.#context), { mode: 'write' });
        }
        break;
      } catch (error) {
        await closeQuietly(this.#file);
        this.#file = undefined;
        if (attempt >= tries || this.#stopped) throw error;
        if (attempt > 0) await clock.sleep(1000);
      }
    }
    this.#wroteAt = clock.now();
    this.lastLsn = note.lastLsn;
    this.#context.metrics.setWatermark('witnessLsn', note.lastLsn);
  }

  /** Ends the writing of slots by itself; `write` still works. */
  quiet(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async close(): Promise<void> {
    this.quiet();
    this.#closed = true;
    while (this.#writing !== undefined) await this.#writing.catch(() => undefined);
    await closeQuietly(this.#file);
    this.#file = undefined;
  }
}
