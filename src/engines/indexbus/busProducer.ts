import type { Clock } from '../../host/clock.ts';
import { badArgument, shown } from './badArgument.ts';
import { BusError } from './errors.ts';
import { type Attachment, type FormerSeat, formerSeat } from './join.ts';
import { topicsPerSegment } from './messageBatch.ts';
import type { Publisher, TopicId } from './producer.ts';
import { closeProducerLine, type ProducerLine } from './producerLine.ts';
import type { Follower } from './roll.ts';
import { hasTopic } from './topics.ts';

/** A constant of this module: the compiler folds it, where it looks an imported one up with each use. */
const segmentTopics = topicsPerSegment;

export type OpenProducerLine = (attachment: Attachment, follows?: FormerSeat) => Promise<ProducerLine>;

/** How long the end of a line waits for its router, where nothing else is said, in milliseconds. */
const defaultDrainMs = 5000;
/** Time between two looks at whether a reserved slot is committed. */
const reservedLookMs = 1;

/** A line in the next generation of a segment, while a reserved slot keeps the producer in the former one. */
interface Ahead {
  readonly segment: number;
  readonly former: Publisher;
  readonly next: ProducerLine;
}

/** A producer on a bus: one ordered stream in each of its segments. */
export class Producer implements Follower {
  readonly #clock: Clock;
  readonly #lines: ProducerLine[];
  /** Of the lines, for the hot path. */
  readonly #publishers: Publisher[];
  /** The one of a bus with one segment: nothing has to be looked up there. Undefined also while a commit has to see where it belongs. */
  #only: Publisher | undefined;
  readonly #open: OpenProducerLine;
  readonly #onClose: (producer: Producer) => void;
  #closed: Promise<void> | undefined;
  /** Segment of the slot that is reserved. */
  #reservedIn = 0;
  /** One at most, as one slot is reserved at most; until that is seen it may be of a slot that a fence has ended. */
  #ahead: Ahead | undefined;

  /**
   * Made by `Bus.producer`.
   *
   * @param open takes a seat in an attached segment
   */
  constructor(
    clock: Clock,
    lines: readonly ProducerLine[],
    open: OpenProducerLine,
    onClose: (producer: Producer) => void,
  ) {
    this.#clock = clock;
    this.#open = open;
    this.#lines = [...lines];
    this.#publishers = lines.map((line) => line.publisher);
    this.#only = onlyOne(this.#publishers);
    this.#onClose = onClose;
  }

  /**
   * Publishes a copy of the bytes of `payload`: of a Uint8Array, or of any other view as they lie in its buffer. False: no credit, nothing happened. Throws
   * IB_TOO_LARGE, IB_UNKNOWN_TOPIC, IB_CLOSED, IB_FENCED; IB_BAD_CONFIG for what is no view of a buffer, or no key.
   *
   * @param key of a keyed subscription, any whole number of 32 bits; default 0
   */
  publish(topic: TopicId, payload: ArrayBufferView, key = 0): boolean {
    const only = this.#only;
    if (only !== undefined && topic < segmentTopics) return only.publish(topic, payload, key);
    return this.#of(topic).publish(topic & (segmentTopics - 1), payload, key);
  }

  /**
   * Publishes `count` words of `words` from `from`: the fastest way, for payloads that are words already. Throws as `publish` does, and
   * IB_BAD_CONFIG for words that are not there.
   */
  publishWords(topic: TopicId, words: Int32Array, from: number, count: number, key = 0): boolean {
    const only = this.#only;
    if (only !== undefined && topic < segmentTopics) return only.publishWords(topic, words, from, count, key);
    return this.#of(topic).publishWords(topic & (segmentTopics - 1), words, from, count, key);
  }

  #of(topic: TopicId): Publisher {
    const publisher = topic >>> 0 === topic ? this.#publishers[topic >>> 16] : undefined;
    if (publisher !== undefined) return publisher;
    throw unknownTopic(topic, this.#lines.length);
  }

  /**
   * Keeps a slot for a payload that is written in place: the number of its first word in `words`, -1 without credit. Throws IB_RESERVED while one
   * is kept, IB_TOO_LARGE, IB_CLOSED, IB_FENCED. The slot may be written until `commit` or `close`, also while the seat is lost: it is kept
   * from its next holder so long.
   *
   * @param topic needed where the bus has several segments: says in which of them
   */
  reserve(byteLength: number, topic?: TopicId): number {
    if (topic !== undefined) return this.#reserveFor(topic, byteLength);
    const only = this.#only ?? onlyOne(this.#publishers);
    if (only === undefined) throw needsTopic();
    return only.reserve(byteLength);
  }

  #reserveFor(topic: TopicId, byteLength: number): number {
    const into = this.#of(topic);
    const segment = topic >>> 16;
    if (segment !== this.#reservedIn) this.#reserveIn(segment, byteLength);
    return into.reserve(byteLength);
  }

  #reserveIn(segment: number, byteLength: number): void {
    const open = this.#publishers[this.#reservedIn];
    // Throws where a slot is reserved there already.
    if (open?.isReserved === true) open.reserve(byteLength);
    this.#reservedIn = segment;
  }

  /**
   * Publishes what was written into the reserved slot. Throws IB_RESERVED without one, IB_TOO_LARGE beyond what was reserved, or, to a topic that came with
   * a roll, beyond what a slot has there, IB_UNKNOWN_TOPIC: it stays reserved then; IB_CLOSED, IB_FENCED: nothing is reserved any more.
   */
  commit(topic: TopicId, byteLength: number, key = 0): void {
    const only = this.#only;
    if (only !== undefined && topic < segmentTopics) only.commit(topic, byteLength, key);
    else this.#commitIn(topic, byteLength, key);
  }

  #commitIn(topic: TopicId, byteLength: number, key: number): void {
    const into = this.#of(topic);
    if (topic >>> 16 !== this.#reservedIn && this.#publishers[this.#reservedIn]?.isReserved === true) {
      throw reservedElsewhere(topic, this.#reservedIn);
    }
    const number = topic & (segmentTopics - 1);
    const ahead = this.#ahead;
    if (ahead === undefined || ahead.former !== into) into.commit(number, byteLength, key);
    else this.#commitAndGo(ahead, number, byteLength, key);
  }

  /**
   * Commits the slot that has kept it in the former generation, and goes on in the next one in the same turn: who reserves again at once would be kept there
   * until it is fenced. A topic that came with the roll is of the next generation alone: what was written goes there.
   */
  #commitAndGo({ segment, former, next }: Ahead, topic: TopicId, byteLength: number, key: number): void {
    try {
      former.commit(topic, byteLength, key);
    } catch (error) {
      const room = former.reservedRoom;
      const isUnknown = error instanceof BusError && error.code === 'IB_UNKNOWN_TOPIC';
      if (room === undefined || !isUnknown || !knows(next, topic)) throw error;
      // What was published before must not be lost behind it.
      former.flushQuietly();
      if (former.isEnded || !next.publisher.publish(topic, room.subarray(0, byteLength), key)) throw error;
    }
    former.flushQuietly();
    if (former.isEnded) return;
    this.#ahead = undefined;
    this.#goOn(segment, next);
  }

  /** The words into which a reserved slot is written. Look them up after each reserve: a roll puts others in their place. */
  get words(): Int32Array {
    const publisher = this.#publishers[this.#reservedIn];
    if (publisher === undefined) throw new Error('a producer has a segment at least');
    return publisher.words;
  }

  /** Messages that can be published before one is refused, of the segment with the fewest. */
  get credit(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const publisher of this.#publishers) least = Math.min(least, publisher.credit);
    return least;
  }

  /** The same of one segment. Throws IB_BAD_CONFIG where there is none of the number. */
  creditIn(segment: number): number {
    const line = this.#lines[segment];
    if (line === undefined) throw noSegment(segment, this.#lines.length);
    return line.publisher.credit;
  }

  /** How many segments it publishes in. */
  get segments(): number {
    return this.#lines.length;
  }

  /** Hands everything published so far to the routers. Throws IB_FENCED if a seat was taken, when the others have theirs, and IB_CLOSED. */
  flush(): void {
    let refusal: unknown;
    for (const publisher of this.#publishers) {
      try {
        publisher.flush();
      } catch (error) {
        refusal ??= error;
      }
    }
    if (refusal !== undefined) throw refusal;
  }

  /** Waits until every segment takes a message, or `publish` would throw; false if not after `timeoutMs`, default for ever. */
  async ready(timeoutMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const deadline = this.#clock.now() + timeoutMs;
    this.#flushQuietly();
    for (let index = 0; index < this.#lines.length; ) {
      const line = this.#line(index);
      if (!line.publisher.hasNews()) {
        line.publisher.countWait();
        if (!(await line.waiting.until(deadline - this.#clock.now()))) return false;
      }
      // A roll may have put another line in its place.
      if (line === this.#lines[index]) index += 1;
    }
    return true;
  }

  /** The same for a thread that may block. */
  readySync(timeoutMs = Number.POSITIVE_INFINITY): boolean {
    const deadline = this.#clock.now() + timeoutMs;
    this.#flushQuietly();
    for (const line of this.#lines) {
      if (line.publisher.hasNews()) continue;
      line.publisher.countWait();
      if (!line.waiting.untilSync(deadline - this.#clock.now())) return false;
    }
    return true;
  }

  /** What is not flushed never comes back as credit. A fence that is met is told by the next `publish`. */
  #flushQuietly(): void {
    for (const publisher of this.#publishers) publisher.flushQuietly();
  }

  #line(index: number): ProducerLine {
    const line = this.#lines[index];
    if (line === undefined) throw new Error(`a producer has no segment ${index}`);
    return line;
  }

  attachmentOf(segment: number): Attachment {
    return this.#line(segment).attachment;
  }

  /** A producer goes as soon as its segment drains, unless it has lost its seat. */
  mayFollow(segment: number): boolean {
    return this.#closed === undefined && !this.#line(segment).publisher.isEnded;
  }

  async follow(segment: number, to: Attachment): Promise<void> {
    const former = this.#line(segment);
    const next = await this.#open(to, formerSeat(former.attachment, former.seat));
    if (former.publisher.isReserved) await this.#reservationEnds({ segment, former: former.publisher, next });
    if (this.#lines[segment] === former) {
      // What is flushed while the seat is live is routed. Of a fence the next call tells, so the former line stays for that.
      former.publisher.flushQuietly();
      if (this.#closed !== undefined || former.publisher.isEnded) {
        await closeProducerLine(next, defaultDrainMs);
        return;
      }
      this.#goOn(segment, next);
    }
    await closeProducerLine(former, defaultDrainMs);
  }

  /** Waits until the slot reserved in the former line is committed, by which the producer goes on in the next, or until there is nothing to wait for. */
  async #reservationEnds(ahead: Ahead): Promise<void> {
    const { former } = ahead;
    this.#ahead = ahead;
    this.#only = undefined;
    while (former.isReserved && !former.isEnded && this.#ahead === ahead && this.#closed === undefined) {
      await this.#clock.sleep(reservedLookMs);
    }
    // A slot that was reserved in another segment since has its own.
    if (this.#ahead === ahead) this.#ahead = undefined;
    this.#only = onlyOne(this.#publishers);
  }

  #goOn(segment: number, next: ProducerLine): void {
    this.#lines[segment] = next;
    this.#publishers[segment] = next.publisher;
    this.#only = onlyOne(this.#publishers);
  }

  /** Whether it can publish a topic, or commit to it what it has reserved; so, too, where it will never be able to. */
  takes(segment: number, topic: TopicId): boolean {
    if (!this.mayFollow(segment)) return true;
    const line = this.#ahead?.segment === segment ? this.#ahead.next : this.#line(segment);
    return knows(line, topic);
  }

  /**
   * Flushes, gives the seats back and waits until the routers have taken everything.
   *
   * @param options.drainTimeoutMs default 5000; after it the routers go on by themselves
   */
  close(options: { readonly drainTimeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#end(options.drainTimeoutMs ?? defaultDrainMs).finally(() => this.#onClose(this));
    return this.#closed;
  }

  async #end(drainTimeoutMs: number): Promise<void> {
    await Promise.all(this.#lines.map((line) => closeProducerLine(line, drainTimeoutMs)));
  }
}

function onlyOne(publishers: readonly Publisher[]): Publisher | undefined {
  return publishers.length === 1 ? publishers[0] : undefined;
}

function knows({ attachment }: ProducerLine, topic: TopicId): boolean {
  return hasTopic(attachment.segment.region, attachment.segment.layout, topic);
}

// Errors are made here and not where they are thrown: the compiler draws the hot path into its callers, as far as that is short.

function needsTopic(): BusError {
  return new BusError('IB_BAD_CONFIG', 'the bus has several segments: say for which topic the slot is reserved');
}

function unknownTopic(topic: TopicId, segments: number): BusError {
  return new BusError('IB_UNKNOWN_TOPIC', 'no topic has this number: ask the bus for the topic by its name', {
    expected: `a topic of one of ${segments} segments`,
    got: String(topic),
  });
}

function reservedElsewhere(topic: TopicId, segment: number): BusError {
  return new BusError('IB_RESERVED', 'the slot is reserved for a topic of another segment', {
    expected: `a topic of segment ${segment}`,
    got: String(topic),
  });
}

function noSegment(segment: number, segments: number): BusError {
  return badArgument('segment', `a number below ${segments}, as many as the bus has`, shown(segment));
}
