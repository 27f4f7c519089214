import type { Timer } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { attach } from './attachments.ts';
import { BusError } from './errors.ts';
import type { Attachment } from './join.ts';
import { Header, SegmentState } from './layout.ts';
import { memoryOf, type SegmentPlace } from './segment.ts';

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

/** A follower's way into the next generation of one segment. */
interface Move {
  readonly follower: Follower;
  readonly segment: number;
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
  /** One at most of a follower in a segment. Those in other segments go on beside it: where it has to wait, they must not be fenced. */
  readonly #moving = new Map<Move, Promise<void>>();
  /** Why those that could not go on, and those who looked for a next generation, had to wait, as it was told last of each segment. */
  readonly #told = new WeakMap<Follower | SegmentPlace, Map<string, string>>();
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
      if (this.attachment(segment) === attachment) await this.#rest(deadline);
    }
  }

  /** Looks until it is so, up to `timeoutMs` and as long as the bus is open. A part of one of the calls that the watch knows. */
  async until(isSo: () => boolean, timeoutMs: number): Promise<void> {
    const { clock } = this.#host;
    const deadline = clock.now() + timeoutMs;
    while (!isSo() && clock.now() < deadline && !this.#closing.aborted) {
      await this.look();
      if (!isSo()) await this.#rest(deadline);
    }
  }

  async #rest(deadline: number): Promise<void> {
    const { clock } = this.#host;
    const left = Math.max(1, deadline - clock.now());
    await clock.sleep(Math.min(hurriedLookMs, left), this.#closing).catch(() => undefined);
  }

  #arm(): void {
    if (this.#closing.aborted) return;
    this.#timer = this.#host.clock.timer(lookEveryMs, () => {
      void this.look().finally(() => this.#arm());
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
   * long as the same memory has the name nothing is mapped. Whatever the machine refuses (too many open files, no room for a mapping) is of this look
   * alone: mostly nobody waits for it who could be told, and a participant must not end by it.
   */
  async #advance(segment: number, place: SegmentPlace, generation: number): Promise<void> {
    const current = this.attachment(segment);
    try {
      const { memory } = current.segment.region;
      if (memory !== undefined && (await memoryOf(place)) === memory) return;
      const next = await attach(this.#host, place, 0, generation);
      if (this.#closing.aborted) {
        next.segment.region.close();
        return;
      }
      this.#former.add(current);
      this.#current[segment] = { ...next, closing: this.#closing };
    } catch (error) {
      // Of a roll, and while names change, that is what is found: there is none yet.
      const isNotYet = error instanceof BusError && (error.code === 'IB_RETIRED' || error.code === 'IB_NO_SEGMENT');
      if (!isNotYet && !this.#closing.aborted) this.#tell(place, current, String(error));
    }
  }

  #moveFollowers(segment: number): void {
    if (this.#closing.aborted) return;
    const to = this.attachment(segment);
    for (const follower of this.#followers) {
      if (follower.attachmentOf(segment) === to || this.#moves(follower, segment) || !follower.mayFollow(segment))
        continue;
      const move = { follower, segment };
      const over = follower
        .follow(segment, to)
        .catch((error: unknown) => {
          if (this.#closing.aborted) return;
          // No seat yet, or no answer: it stays where it is until the next look.
          this.#tell(follower, to, String(error));
        })
        .finally(() => this.#moving.delete(move));
      this.#moving.set(move, over);
    }
  }

  #moves(follower: Follower, segment: number): boolean {
    for (const move of this.#moving.keys()) {
      if (move.follower === follower && move.segment === segment) return true;
    }
    return false;
  }

  /** Says why somebody waits in a segment, once as long as it is the same. */
  #tell(who: Follower | SegmentPlace, at: Attachment, error: string): void {
    const { name, generation } = at.segment;
    const why = `${generation} ${error}`;
    const told = this.#told.get(who) ?? new Map<string, string>();
    if (told.get(name) === why) return;
    this.#told.set(who, told.set(name, why));
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
