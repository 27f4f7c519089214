import type { Timer } from '../../host/clock.ts';
import { type DiskFile, type DiskUsage, isNoSpace } from '../../host/disk.ts';
import { type Context, closeQuietly, isMissing, messageOf } from './context.ts';
import { pageBytes } from './format.ts';
import { writeZeros } from './rewrite.ts';
import type { StateKeeper } from './state.ts';
import type { DiskClaims } from './types.ts';

const pollMs = 1000;
const reserveInodes = 1000;
const noClaims: DiskClaims = { givenBytes: 0, unwrittenBytes: 0 };
const triesMax = 3;

/**
 * The spare: the next segment's file, full of zeros that are on the disk, so that no batch ever waits for space or grows a
 * file. Made in the background after each rotation.
 */
export class Spare {
  readonly #context: Context;
  readonly path: string;
  #making: Promise<void> | undefined;
  #ready = false;
  #stopped = false;
  #allowed = false;
  /** Bytes of it that are on the disk so far. */
  bytes = 0;
  /** Bytes of all spares that have become segments. */
  spentBytes = 0;

  constructor(context: Context) {
    this.#context = context;
    this.path = `${context.settings.directory}/spare.wal`;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get isMaking(): boolean {
    return this.#making !== undefined;
  }

  /** Takes over the spare that a clean close has left, if it is whole. */
  async adopt(): Promise<void> {
    const { disk } = this.#context.host;
    const { segmentBytes } = this.#context.settings;
    let file: DiskFile | undefined;
    try {
      file = await disk.open(this.path, { mode: 'read' });
      const page = new Uint8Array(pageBytes);
      await file.read(0, page);
      if ((await file.size()) === segmentBytes && page.every((byte) => byte === 0)) {
        this.#ready = true;
        this.bytes = segmentBytes;
      }
    } catch (error) {
      if (!isMissing(error)) this.#context.logger.warn('spare cannot be read', { error: messageOf(error) });
    } finally {
      await closeQuietly(file);
    }
  }

  /** Recovery is done with the file, which it uses for its copies: from now on the spare may be made. */
  allow(): void {
    this.#allowed = true;
  }

  /** Begins to make it unless it is there, being made, or not allowed yet. */
  prepare(): void {
    if (this.#ready || this.#making !== undefined || this.#stopped || !this.#allowed) return;
    this.#begin().catch((error: unknown) => {
      if (!this.#stopped) this.#context.logger.warn('spare could not be made', { error: messageOf(error) });
    });
  }

  /** Waits for it. Rejects with the disk's error when it cannot be made: at once without space, else after 3 tries. */
  async wait(): Promise<void> {
    if (this.#ready && this.#context.host.telemetry.buggify('spare-missing')) this.#ready = false;
    if (!this.#ready) await (this.#making ?? this.#begin());
  }

  /** It has become a segment. */
  spend(): void {
    this.spentBytes += this.#context.settings.segmentBytes;
    this.used();
  }

  /** It is of no use any more. */
  used(): void {
    this.#ready = false;
    this.bytes = 0;
  }

  /** Ends the making; what is half made is removed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#making?.catch(() => undefined);
  }

  #begin(): Promise<void> {
    const making = this.#make().finally(() => {
      this.#making = undefined;
    });
    this.#making = making;
    return making;
  }

  async #make(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#makeOnce();
        this.#ready = true;
        return;
      } catch (error) {
        await this.#discard();
        if (isNoSpace(error) || tries === triesMax || this.#stopped) throw error;
        this.#context.logger.error('disk error', { operation: 'spare', error: messageOf(error) });
        await this.#context.host.clock.sleep(1000);
      }
    }
  }

  async #makeOnce(): Promise<void> {
    const { disk } = this.#context.host;
    const { segmentBytes } = this.#context.settings;
    await this.#discard();
    const file = await disk.open(this.path, { mode: 'create-new' });
    try {
      // The planted bug leaves a sparse file: space is then found, or not, by a batch.
      if (this.#context.mutants.has('no-reserve')) await file.truncate(segmentBytes);
      else {
        for (let at = 0; at < segmentBytes; at += 1_048_576) {
          if (this.#stopped) throw new Error('the journal is closing');
          await writeZeros(file, at, Math.min(segmentBytes, at + 1_048_576));
          this.bytes = Math.min(segmentBytes, at + 1_048_576);
        }
      }
      await file.sync();
    } finally {
      await closeQuietly(file);
    }
  }

  async #discard(): Promise<void> {
    this.used();
    try {
      await this.#context.host.disk.remove(this.path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

/** Watches the space that is left, once a second, and turns the journal read-only below its reserve, or says so. */
export class SpaceWatch {
  readonly #context: Context;
  readonly #states: StateKeeper;
  readonly #spare: Spare;
  #timer: Timer | undefined;
  #stopped = false;
  /** Called at each poll, when there may be room again for what could not be done. */
  onPoll: () => void = () => {};
  freeBytes: number | undefined;
  /** See `Journal.claims`. */
  claims: () => DiskClaims = () => noClaims;
  /** What the last look found: space that nobody speaks for, and how much was given and spent until then. */
  #seen: { readonly usage: DiskUsage; readonly free: number; readonly room: number; readonly gone: number } | undefined;
  #isLow = false;
  readonly #onLow = new Set<() => void>();

  constructor(context: Context, states: StateKeeper, spare: Spare) {
    this.#context = context;
    this.#states = states;
    this.#spare = spare;
  }

  start(): void {
    this.#timer = this.#context.host.clock.timer(pollMs, () => {
      void this.check().finally(() => {
        if (this.#stopped) return;
        this.onPoll();
        this.start();
      });
    });
  }

  /** Looks now. The spare counts as part of the reserve: it is space that is already the journal's. */
  async check(): Promise<void> {
    const { settings, host, mutants, logger } = this.#context;
    try {
      const usage = await host.disk.usage(settings.directory);
      if (this.#stopped) return;
      this.freeBytes = usage.freeBytes;
      if (mutants.has('no-reserve')) {
        if (usage.freeBytes > settings.segmentBytes) this.#states.release('no_space');
        return;
      }
      const { givenBytes, unwrittenBytes } = this.claims();
      const free = usage.freeBytes - unwrittenBytes;
      this.#seen = { usage, free, room: free + this.#spare.bytes, gone: givenBytes + this.#spare.spentBytes };
      const { low } = this;
      this.#note(low !== undefined);
      // An owner who is told stops by himself: the journal goes on until there is no room for its next segment.
      if (
        settings.belowReserve === 'tell'
          ? usage.freeBytes + this.#spare.bytes >= settings.segmentBytes
          : low === undefined
      ) {
        this.#states.release('no_space');
        this.#spare.prepare();
      } else if (low !== undefined && settings.belowReserve === 'read-only') {
        this.#states.hold('no_space', low);
      }
    } catch (error) {
      logger.warn('free space is not known', { error: messageOf(error) });
    }
  }

  onLow(fn: () => void): () => void {
    this.#onLow.add(fn);
    return () => this.#onLow.delete(fn);
  }

  /**
   * Why there is less than the reserve; undefined: there is enough, or it is not known yet. An owner who is told would flap at its edge:
   * for it there is enough again at half a segment more.
   */
  get low(): string | undefined {
    if (this.#seen === undefined) return undefined;
    const { reserveBytes, belowReserve, segmentBytes } = this.#context.settings;
    const { usage, free, room, gone } = this.#seen;
    const goneSince = this.claims().givenBytes + this.#spare.spentBytes - gone;
    const more = this.#isLow && belowReserve === 'tell' ? segmentBytes / 2 : 0;
    if (room - goneSince < reserveBytes + more)
      return `${Math.max(0, free - goneSince)} bytes are free, the reserve is ${reserveBytes}`;
    if (usage.freeInodes < reserveInodes) return `${usage.freeInodes} inodes are free, the reserve is ${reserveInodes}`;
    return undefined;
  }

  #note(isLow: boolean): void {
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    for (const fn of this.#onLow) fn();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
