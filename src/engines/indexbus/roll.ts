import type { Timer } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { attach } from './attachments.ts';
import { BusError } from './errors.ts';
import type { Attachment } from './join.ts';
import { Header, SegmentState } from './layout.ts';
import { asBusError, type SegmentPlace } from './segment.ts';

/** Time between two looks at whether a segment is being replaced. */
const lookEveryMs = 100;
/** The same for who cannot go on before it is. */
const hurriedLookMs = 20;

/** What has a line in each segment of a bus, and can go on in another generation. */
export interface Follower {
  /** Where its line of a segment is attached. */
  attachmentOf(segment: number): Attachment;
  /** Whether it may go now. */
  mayFollow(segment: number): boolean;
  /** Takes a seat in the later generation, goes on there, and ends its former line. */
  follow(segment: number, to: Attachment): Promise<void>;
}

/**
 * Sees that a segment is rolled, attaches to its next generation, and takes producers and consumers there: producers as soon as the old one drains,
 * consumers once nothing is routed there any more and their lanes are empty. The next generation routes nothing before all of them have
 * left, so no message is lost or overtaken.
 */
export class RollWatch {
  readonly #host: Host;
  readonly #places: readonly SegmentPlace[];
  readonly #current: Attachment[];
  readonly #former = new Set<Attachment>();
  readonly #followers: ReadonlySet<Follower>;
  readonly #moving = new Map<Follower, Promise<void>>();
  /** Why those that could not go on had to wait, as it was told last. */
  readonly #told = new WeakMap<Follower, string>();
  readonly #calls: ReadonlySet<unknown>;
  readonly #closing: AbortSignal;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  /**
   * @param calls those under way that take seats: so long nothing is detached
   * @param closing aborted when the bus closes: nothing is begun any more
   */
  constructor(
    host: Host,
    places: readonly SegmentPlace[],
    attached: readonly Attachment[],
    followers: ReadonlySet<Follower>,
    calls: ReadonlySet<unknown>,
    closing: AbortSignal,
  ) {
    this.#host = host;
    this.#places = places;
    this.#closing = closing;
    this.#current = attached.map((it) => ({ ...it, closing }));
    this.#followers = followers;
    this.#calls = calls;
    this.#arm();
  }

  get count(): number {
    return this.#current.length;
  }

  /** The generation of a segment that takes new seats. */
  attachment(segment: number): Attachment {
    const attachment = this.#current[segment];
    if (attachment === undefined) throw new Error(`a bus has no segment ${segment}`);
    return attachment;
  }

  /**
   * Runs what needs the generation of a segment that takes seats. Where it is told IB_RETIRED, a roll was faster: it runs again in the next
   * generation, which is looked for up to `timeoutMs`. A part of one of the calls that the watch knows.
   */
  async within<T>(segment: number, timeoutMs: number, run: (attachment: Attachment) => Promise<T>): Promise<T> {
    const { clock } = this.#host;
    const deadline = clock.now() + timeoutMs;
    for (;;) {
      const attachment = this.attachment(segment);
      try {
        return await run(attachment);
      } catch (error) {
        const isLate = !(error instanceof BusError) || error.code !== 'IB_RETIRED' || clock.now() >= deadline;
        if (isLate) throw error;
      }
      await this.look();
      if (this.attachment(segment) === attachment) {
        await clock
          .sleep(Math.min(hurriedLookMs, Math.max(1, deadline - clock.now())), this.#closing)
          .catch(() => undefined);
      }
    }
  }

  #arm(): void {
    if (this.#closing.aborted) return;
    this.#timer = this.#host.clock.timer(lookEveryMs, () => {
      void this.look().then(() => this.#arm());
    });
  }

  /** Looks once at all segments, and begins what is to be done. Resolves when later generations, if any, are attached. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAtAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    if (this.#closing.aborted) return;
    for (const [segment, place] of this.#places.entries()) {
      const { words, generation } = this.attachment(segment).segment;
      const state = Atomics.load(words, Header.state);
      const goes = state === SegmentState.draining || state === SegmentState.retired;
      if (goes) await this.#advance(segment, place, generation);
      this.#moveFollowers(segment);
    }
    this.#forgetFormer();
  }

  /**
   * Attaches to the next generation if there is one; else the next look tries again. A segment that was drained for good has none, perhaps for hours: as
   * long as the same memory has the name nothing is mapped.
   */
  async #advance(segment: number, place: SegmentPlace, generation: number): Promise<void> {
    try {
      if (await this.#isUnchanged(segment, place)) return;
      const next = await attach(this.#host, place, 0, generation);
      if (this.#closing.aborted) {
        next.segment.region.close();
        return;
      }
      this.#former.add(this.attachment(segment));
      this.#current[segment] = { ...next, closing: this.#closing };
    } catch (error) {
      // It looks again later.
      if (!(asBusError(place.name, error) instanceof BusError)) throw error;
    }
  }

  async #isUnchanged(segment: number, place: SegmentPlace): Promise<boolean> {
    const { memory } = this.attachment(segment).segment.region;
    return memory !== undefined && (await this.#host.shm.stat(place.name, place))?.memory === memory;
  }

  #moveFollowers(segment: number): void {
    if (this.#closing.aborted) return;
    const to = this.attachment(segment);
    for (const follower of this.#followers) {
      if (follower.attachmentOf(segment) === to || this.#moving.has(follower) || !follower.mayFollow(segment)) continue;
      const move = follower
        .follow(segment, to)
        .catch((error: unknown) => {
          if (this.#closing.aborted) return;
          // No seat yet, or no answer: it stays where it is until the next look.
          this.#tell(follower, to, String(error));
        })
        .finally(() => this.#moving.delete(follower));
      this.#moving.set(follower, move);
    }
  }

  /** Says why a follower waits, once as long as it is the same. */
  #tell(follower: Follower, to: Attachment, error: string): void {
    const { name, generation } = to.segment;
    const why = `${generation} ${error}`;
    if (this.#told.get(follower) === why) return;
    this.#told.set(follower, why);
    this.#host.telemetry.logger.warn('bus.roll_waits', { segment: name, error });
  }

  /** What a call under way has opened is not among the followers yet. */
  #forgetFormer(): void {
    if (this.#moving.size > 0 || this.#calls.size > 0) return;
    for (const former of this.#former) {
      if ([...this.#followers].some((it) => this.#places.some((_, segment) => it.attachmentOf(segment) === former)))
        continue;
      this.#former.delete(former);
      former.segment.region.close();
    }
  }

  /** Waits for what moves, and detaches from all segments. The bus is closing: its lines have closed before, and its calls are over. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await Promise.allSettled([this.#looking, ...this.#moving.values()]);
    for (const { segment } of [...this.#current, ...this.#former]) segment.region.close();
    this.#former.clear();
  }
}
