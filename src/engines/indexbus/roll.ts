import type { Timer } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { attach } from './attachments.ts';
import { BusError } from './errors.ts';
import type { Attachment } from './join.ts';
import { Header, SegmentState } from './layout.ts';
import type { SegmentPlace } from './segment.ts';

/** Time between two looks at whether a segment is being replaced. */
const lookEveryMs = 100;

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
  readonly #moving = new Set<Follower>();
  #timer: Timer | undefined;
  #looking = false;
  #closed = false;

  constructor(
    host: Host,
    places: readonly SegmentPlace[],
    attached: readonly Attachment[],
    followers: ReadonlySet<Follower>,
  ) {
    this.#host = host;
    this.#places = places;
    this.#current = [...attached];
    this.#followers = followers;
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

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#host.clock.timer(lookEveryMs, () => {
      void this.look().then(() => this.#arm());
    });
  }

  /** Looks once at all segments, and begins what is to be done. Resolves when later generations, if any, are attached. */
  async look(): Promise<void> {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    for (const [segment, place] of this.#places.entries()) {
      const { words, generation } = this.attachment(segment).segment;
      const state = Atomics.load(words, Header.state);
      const goes = state === SegmentState.draining || state === SegmentState.retired;
      if (goes) await this.#advance(segment, place, generation);
      this.#moveFollowers(segment);
    }
    this.#forgetFormer();
    this.#looking = false;
  }

  /** Attaches to the next generation if there is one; else the next look tries again. */
  async #advance(segment: number, place: SegmentPlace, generation: number): Promise<void> {
    try {
      const next = await attach(this.#host, place, 0, generation);
      if (this.#closed) {
        next.segment.region.close();
        return;
      }
      this.#former.add(this.attachment(segment));
      this.#current[segment] = next;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  #moveFollowers(segment: number): void {
    const to = this.attachment(segment);
    for (const follower of this.#followers) {
      if (follower.attachmentOf(segment) === to || this.#moving.has(follower) || !follower.mayFollow(segment)) continue;
      this.#moving.add(follower);
      follower
        .follow(segment, to)
        .catch((error: unknown) => {
          // No seat yet, or no answer: it stays where it is until the next look.
          this.#host.telemetry.logger.warn('bus.roll_waits', { segment: to.segment.name, error: String(error) });
        })
        .finally(() => this.#moving.delete(follower));
    }
  }

  #forgetFormer(): void {
    for (const former of this.#former) {
      const users = [...this.#followers, ...this.#moving];
      if (users.some((it) => this.#places.some((_, segment) => it.attachmentOf(segment) === former))) continue;
      if (this.#moving.size > 0) continue;
      this.#former.delete(former);
      former.segment.region.close();
    }
  }

  /** Detaches from all segments. The lines have been closed before. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { segment } of [...this.#current, ...this.#former]) segment.region.close();
    this.#former.clear();
  }
}
