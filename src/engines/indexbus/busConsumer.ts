import type { Host } from '../../host/host.ts';
import { badArgument, shown } from './badArgument.ts';
import { type ConsumerLine, closeConsumerLine } from './consumerLine.ts';
import { BusError, FencedError } from './errors.ts';
import { endCounts, isGroupThrough } from './groupEnds.ts';
import { type Attachment, type FormerSeat, formerSeat } from './join.ts';
import { Seat } from './layout.ts';
import { MessageBatch } from './messageBatch.ts';
import { isRetired } from './retirement.ts';
import type { Follower } from './roll.ts';

/** How long a close waits for the router, in milliseconds. */
const drainTimeoutMs = 5000;
/** Where a thread that blocks has several lanes to look at: how long it looks at none. */
const severalBoundMs = 1;
/** Longest sleep over one of several lines. */
const sleeperMs = 50;

export type OpenConsumerLine = (attachment: Attachment, follows?: FormerSeat) => Promise<ConsumerLine>;

/** A consumer of one subscription on a bus: a lane in each of its segments. */
export class Consumer implements AsyncIterable<MessageBatch>, Follower {
  readonly #host: Host;
  readonly #lines: ConsumerLine[];
  readonly #batch: number;
  readonly #iterated: () => MessageBatch;
  readonly #open: OpenConsumerLine;
  readonly #openAnew: (segment: number) => Promise<ConsumerLine>;
  readonly #onClose: (consumer: Consumer) => void;
  #closed: Promise<void> | undefined;
  #reattaching: Promise<{ readonly missed: number }> | undefined;
  /** Segment to ask first. */
  #next = 0;
  /** Of several lines, those over which somebody sleeps. */
  readonly #sleepers = new Map<ConsumerLine, Promise<boolean>>();

  /**
   * Made by `Bus.consumer`.
   *
   * @param iterated makes the batch of an iteration
   * @param open takes a seat in an attached segment
   * @param openAnew takes a seat where those of a segment are taken now
   * @param onClose called when it has ended
   */
  constructor(
    host: Host,
    lines: readonly ConsumerLine[],
    batch: number,
    iterated: () => MessageBatch,
    open: OpenConsumerLine,
    openAnew: (segment: number) => Promise<ConsumerLine>,
    onClose: (consumer: Consumer) => void,
  ) {
    this.#host = host;
    this.#lines = [...lines];
    this.#batch = batch;
    this.#iterated = iterated;
    this.#open = open;
    this.#openAnew = openAnew;
    this.#onClose = onClose;
  }

  /** Epoch of its seat, in the first segment: grows with each holder of the seat. */
  get epoch(): number {
    return this.#lines[0]?.seat.epoch ?? 0;
  }

  /**
   * Takes what there is, up to a batch, and ends what was received before. Returns how many, of one segment: 0 for nothing. Throws
   * IB_FENCED, IB_CLOSED, IB_BATCH_TOO_SMALL, IB_CORRUPT; IB_BAD_CONFIG for what is no batch: nothing is ended by that.
   */
  receive(into: MessageBatch): number {
    if (!(into instanceof MessageBatch)) throw noBatch(into);
    const most = this.#host.telemetry.buggify('short-receive') ? 1 : this.#batch;
    const { length } = this.#lines;
    let count = 0;
    for (let turn = 0; turn < length && count === 0; turn += 1) {
      const segment = this.#next;
      this.#next = segment + 1 < length ? segment + 1 : 0;
      const line = this.#lines[segment];
      if (line === undefined) continue;
      count = line.receiver.receive(into, most);
      into.comeFrom(segment);
    }
    return count;
  }

  /** Says that the application is through with everything received. Throws IB_CLOSED: `close` has said it already. */
  ack(): void {
    if (this.#closed !== undefined) throw closed();
    for (const line of this.#lines) line.head.ack();
  }

  /**
   * Waits until `receive` has something to say; false if not after `timeoutMs`, default for ever. While the segment is being replaced, a consumer that was
   * not through with what it has received is to call `receive` or `ack`, even if there is nothing more to receive: it goes on in the next generation then.
   */
  async ready(timeoutMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const deadline = this.#host.clock.now() + timeoutMs;
    for (;;) {
      const lines = [...this.#lines];
      const left = deadline - this.#host.clock.now();
      const [only] = lines;
      const found =
        only !== undefined && lines.length === 1 ? await only.waiting.until(left) : await this.#anyOf(lines, left);
      if (!found) return false;
      // The end of a line that a roll has put another one in the place of is no news.
      if (lines.some((line, segment) => line === this.#lines[segment] && line.hasNews())) return true;
    }
  }

  /**
   * Waits for one of several lines. Each has one sleeper, which outlives the wait that another line has ended: a wake wakes one, and that must
   * be the one that is listened to.
   */
  async #anyOf(lines: readonly ConsumerLine[], timeoutMs: number): Promise<boolean> {
    const { clock } = this.#host;
    const deadline = clock.now() + timeoutMs;
    while (!lines.some((line) => line.hasNews())) {
      const left = deadline - clock.now();
      if (!(left > 0)) return false;
      const over = new AbortController();
      const sleeps: Promise<unknown>[] = lines.map((line) => this.#sleeperOf(line));
      // A sleeper of an earlier wait may sleep for longer than this one shall.
      if (left < sleeperMs) sleeps.push(clock.sleep(left, over.signal).catch(() => undefined));
      await Promise.race(sleeps);
      over.abort();
    }
    return true;
  }

  #sleeperOf(line: ConsumerLine): Promise<boolean> {
    const known = this.#sleepers.get(line);
    if (known !== undefined) return known;
    const sleeper = line.waiting.until(sleeperMs).finally(() => this.#sleepers.delete(line));
    this.#sleepers.set(line, sleeper);
    return sleeper;
  }

  /** The same for a thread that may block. Several segments are looked at each millisecond. */
  readySync(timeoutMs = Number.POSITIVE_INFINITY): boolean {
    const [only, ...others] = this.#lines;
    if (only === undefined) return false;
    if (others.length === 0) return only.waiting.untilSync(timeoutMs);
    const deadline = this.#host.clock.now() + timeoutMs;
    for (;;) {
      if (this.#lines.some((line) => line.hasNews())) return true;
      const left = deadline - this.#host.clock.now();
      if (!(left > 0)) return false;
      if (only.waiting.untilSync(Math.min(left, severalBoundMs))) return true;
    }
  }

  /**
   * After IB_FENCED: takes another seat, at the live position. `missed` is what stood unread in the lanes when they were taken: lost to a
   * broadcast's consumer, handed to others by a group. What was published until the new seat was live is not counted. Where no seat was taken nothing
   * happens, and nothing is missed. Rejects as `Bus.consumer` does.
   * While one call is under way others have its answer: each would take a seat, and the consumer knows of one.
   */
  reattach(): Promise<{ readonly missed: number }> {
    this.#reattaching ??= this.#reattach().finally(() => {
      this.#reattaching = undefined;
    });
    return this.#reattaching;
  }

  async #reattach(): Promise<{ readonly missed: number }> {
    if (this.#closed !== undefined) throw closed();
    let missed = 0;
    for (const [segment, line] of this.#lines.entries()) {
      if (!line.head.isFenced) continue;
      const successor = await this.#openAnew(segment);
      if (this.#closed !== undefined) {
        await closeConsumerLine(successor, drainTimeoutMs);
        throw closed();
      }
      missed += line.head.missed;
      this.#lines[segment] = successor;
    }
    return { missed };
  }

  /** Batches as they come, in one object that is filled again and again; ends with `close`. Throws as `receive` does. */
  async *[Symbol.asyncIterator](): AsyncGenerator<MessageBatch, void, undefined> {
    const batch = this.#iterated();
    for (;;) {
      try {
        if (this.receive(batch) > 0) yield batch;
        else await this.ready();
      } catch (error) {
        if (error instanceof BusError && !(error instanceof FencedError) && error.code === 'IB_CLOSED') return;
        throw error;
      }
    }
  }

  #line(segment: number): ConsumerLine {
    const line = this.#lines[segment];
    if (line === undefined) throw new Error(`a consumer has no segment ${segment}`);
    return line;
  }

  attachmentOf(segment: number): Attachment {
    return this.#line(segment).attachment;
  }

  /**
   * A consumer goes when nothing is routed in its segment any more, it has taken everything, its application is through with that, since to leave would end what
   * it works on, and nobody of its group can leave it anything any more.
   */
  mayFollow(segment: number): boolean {
    const line = this.#line(segment);
    const { head, attachment, seat } = line;
    if (this.#closed !== undefined || head.isFenced || !isRetired(attachment.segment)) return false;
    if (head.hasNews() || (!head.isThrough && endCounts(attachment.segment, seat.place))) return false;
    // What others of its group leave, also those that die from now on, is handed to those who stay.
    return isGroupThrough(attachment.segment, attachment.segment.words[seat.place.at + Seat.subscription] ?? 0);
  }

  async follow(segment: number, to: Attachment): Promise<void> {
    const former = this.#line(segment);
    const next = await this.#open(to, formerSeat(former.attachment, former.seat));
    // Meanwhile it may have been closed or fenced, or got what another of its group has left: then it is not to go, or not yet.
    if (this.#lines[segment] !== former || !this.mayFollow(segment)) {
      await closeConsumerLine(next, drainTimeoutMs);
      return;
    }
    this.#lines[segment] = next;
    await closeConsumerLine(former, drainTimeoutMs);
  }

  /** Ends what was received, gives the seats back and waits up to five seconds until the routers have taken back the rest. */
  close(): Promise<void> {
    this.#closed ??= this.#end().finally(() => this.#onClose(this));
    return this.#closed;
  }

  async #end(): Promise<void> {
    const reattached = Promise.allSettled([this.#reattaching]);
    await Promise.all([...this.#lines.map((line) => closeConsumerLine(line, drainTimeoutMs)), reattached]);
  }
}

function closed(): BusError {
  return new BusError('IB_CLOSED', 'the consumer is closed');
}

function noBatch(into: unknown): BusError {
  return badArgument('receive', 'a MessageBatch', shown(into));
}
