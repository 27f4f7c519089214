import type { Host } from '../../host/host.ts';
import { attach } from './attachments.ts';
import { badArgument, shown, whole } from './badArgument.ts';
import { Consumer, type OpenConsumerLine } from './busConsumer.ts';
import { type OpenProducerLine, Producer } from './busProducer.ts';
import type { Subscription } from './commands.ts';
import { closeConsumerLine, openConsumerLine } from './consumerLine.ts';
import { describeSegment, type SegmentDescription } from './describeSegment.ts';
import { BusError } from './errors.ts';
import { type Attachment, type HeldSeat, join } from './join.ts';
import { payloadBytesMax, topicNameBytes } from './layout.ts';
import { closingMs, leave } from './leave.ts';
import { MessageBatch, topicsPerSegment } from './messageBatch.ts';
import { type IndexbusMutantFlags, plantedIn } from './mutants.ts';
import { checkBusOptions, checkConsumerOptions, checkProducerOptions, checkSubscriptionName } from './optionChecks.ts';
import { isTopicName } from './patterns.ts';
import type { TopicId } from './producer.ts';
import { closeProducerLine, type LineOptions, openProducerLine } from './producerLine.ts';
import { requestRemoval, requestSubscription, requestTopic } from './requests.ts';
import { RollWatch } from './roll.ts';
import type { SegmentPlace } from './segment.ts';
import { isRouted, recordOf, waitForSubscription } from './subscriptionWait.ts';
import { readTopics } from './topics.ts';

export interface BusOptions {
  readonly host: Host;
  /** Name of the segment; or `segments`. */
  readonly segment?: string;
  /** Names of several, each with a router of its own: topics are spread over them by hash. The same names in the same order everywhere. */
  readonly segments?: readonly string[];
  /** Directory of the segments' files. Default the machine's own. */
  readonly directory?: string;
  /** Group of the segments, `segment.group` of their router: those that another user has made are believed where they are this group's. Default only this user's, and root's. */
  readonly group?: string;
  /** How long to wait for a segment, a router, a seat. Default 5000. */
  readonly attachTimeoutMs?: number;
  /** Ends the wait for a segment: `openBus` rejects with IB_CLOSED. It means nothing to a bus that is open. */
  readonly signal?: AbortSignal;
  /** Looks without rest before a wait sleeps: worth it only where every spinning thread has a core of its own. Infinity never sleeps, and heeds no time-out. Default 0. */
  readonly spins?: number;
  /** Runs a function when the current turn of the caller is over: unflushed messages are flushed there. Default `queueMicrotask`. */
  readonly atEndOfTurn?: (run: () => void) => void;
}

export interface ProducerOptions {
  /** Shown to operators. Default `producer`. */
  readonly name?: string;
  /** Messages under way, below the segment's slots. Default as many as there are slots. */
  readonly creditLimit?: number;
  /** Messages after which the router is told, 1 or more. Default 64. */
  readonly flushEvery?: number;
  /** Writes a check word over each payload. Default false. */
  readonly checked?: boolean;
}

export interface ConsumerOptions {
  readonly subscription: string;
  /** Shown to operators. Default the subscription's name. */
  readonly name?: string;
  /** Most messages of one receive. Default 256. */
  readonly batch?: number;
  /** The subscription, made where there is none of the name. One that is there stays as it is. */
  readonly declare?: Subscription;
  /** Compares the check words of checked producers' payloads. Default false. */
  readonly checked?: boolean;
}

/** Most bytes that an iteration's batch has room for, if that is more than one message. */
const iteratedBytesMax = 4 * 1024 * 1024;
const defaultAttachTimeoutMs = 5000;

/**
 * Attaches to a bus. Rejects with `BusError`: IB_NO_SEGMENT after `attachTimeoutMs`, IB_BAD_CONFIG, or what is wrong with a segment. An open bus keeps its
 * process running until `close`.
 */
export async function openBus(options: BusOptions): Promise<Bus> {
  checkBusOptions(options);
  const names = options.segments ?? (options.segment === undefined ? [] : [options.segment]);
  const { directory, group } = options;
  const places = names.map(
    (name): SegmentPlace => ({
      shm: options.host.shm,
      name,
      ...(directory === undefined ? {} : { directory }),
      ...(group === undefined ? {} : { group }),
    }),
  );
  const timeoutMs = options.attachTimeoutMs ?? defaultAttachTimeoutMs;
  const attached: Attachment[] = [];
  try {
    for (const place of places) attached.push(await attach(options.host, place, timeoutMs, undefined, options.signal));
  } catch (error) {
    for (const { segment } of attached) segment.region.close();
    if (options.signal?.aborted !== true || error instanceof BusError) throw error;
    throw new BusError('IB_CLOSED', `${names.join(', ')}: not waited for any more`, { cause: error });
  }
  return new Bus(options, places, attached);
}

/** A process's way onto the bus. */
export class Bus {
  readonly #host: Host;
  readonly #options: BusOptions;
  readonly #attachTimeoutMs: number;
  readonly #mutants: IndexbusMutantFlags;
  readonly #watch: RollWatch;
  /** Numbers of topics by name, of each segment. */
  readonly #topics: Map<string, number>[];
  readonly #lines = new Set<Producer | Consumer>();
  /** Requests to the router of each segment, one after the other. */
  readonly #asking: Promise<unknown>[];
  /** Calls under way, which may take seats. */
  readonly #calls = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /** Made by `openBus`. */
  constructor(options: BusOptions, places: readonly SegmentPlace[], attached: readonly Attachment[]) {
    this.#host = options.host;
    this.#options = options;
    this.#attachTimeoutMs = options.attachTimeoutMs ?? defaultAttachTimeoutMs;
    this.#mutants = plantedIn(options.host.telemetry);
    this.#topics = attached.map(() => new Map());
    this.#asking = attached.map(() => Promise.resolve());
    this.#watch = new RollWatch(options.host, places, attached, this.#lines, this.#calls, this.#closing.signal);
  }

  /** Takes a producer's seat. Rejects with IB_NO_ROUTER, IB_NO_SEAT, IB_BAD_CONFIG, IB_CLOSED; IB_RETIRED in a segment that its operator drains. */
  producer(options: ProducerOptions = {}): Promise<Producer> {
    return this.#during(() => this.#newProducer(options));
  }

  async #newProducer(options: ProducerOptions): Promise<Producer> {
    checkProducerOptions(options);
    const lineOptions = {
      ...this.#lineOptions(options.name ?? 'producer'),
      flushEvery: options.flushEvery ?? 64,
      creditLimit: options.creditLimit ?? 0,
      checked: options.checked ?? false,
      atEndOfTurn: this.#options.atEndOfTurn ?? queueMicrotask,
    };
    const open: OpenProducerLine = (attachment, follows) => openProducerLine(attachment, lineOptions, follows);
    const lines = await this.#inEach(open, closeProducerLine);
    const producer = new Producer(this.#host.clock, lines, open, (it) => this.#lines.delete(it));
    this.#lines.add(producer);
    return producer;
  }

  /**
   * Takes a consumer's seat; waits up to `attachTimeoutMs` for a router that has not begun, or has not yet said what is in its configuration. Rejects with
   * IB_NO_ROUTER, IB_NO_SEAT, IB_CLOSED, IB_BAD_CONFIG, IB_UNKNOWN_TOPIC for a subscription that nobody declared.
   */
  consumer(options: ConsumerOptions): Promise<Consumer> {
    return this.#during(() => this.#newConsumer(options));
  }

  async #newConsumer(options: ConsumerOptions): Promise<Consumer> {
    checkConsumerOptions(options);
    const batch = options.batch ?? 256;
    const lineOptions = {
      ...this.#lineOptions(options.name ?? options.subscription),
      subscription: options.subscription,
      batch,
      checked: options.checked ?? false,
    };
    const open: OpenConsumerLine = async (attachment, follows) => {
      for (;;) {
        const record = await this.#recordOf(attachment, options);
        const line = await openConsumerLine(attachment, { ...lineOptions, record }, follows);
        if (line !== undefined) return line;
        this.#check();
      }
    };
    const lines = await this.#inEach(open, closeConsumerLine);
    const consumer = new Consumer(
      this.#host,
      lines,
      batch,
      () => this.#iterated(batch),
      open,
      (segment) => this.#during(() => this.#within(segment, (attachment) => open(attachment))),
      (it) => this.#lines.delete(it),
    );
    this.#lines.add(consumer);
    return consumer;
  }

  /** Opens a line in each segment; where one cannot be, or the bus closes meanwhile, those before are closed. */
  async #inEach<T>(
    open: (attachment: Attachment) => Promise<T>,
    close: (line: T, drainTimeoutMs: number) => Promise<unknown>,
  ): Promise<T[]> {
    const lines: T[] = [];
    try {
      for (let segment = 0; segment < this.#watch.count; segment += 1) {
        lines.push(await this.#within(segment, (attachment) => open(attachment)));
        this.#check();
      }
    } catch (error) {
      const drainTimeoutMs = this.#closing.signal.aborted ? closingMs : 0;
      await Promise.all(lines.map((line) => close(line, drainTimeoutMs)));
      throw error;
    }
    return lines;
  }

  /** Runs a call that may take seats: a close waits until it is over. */
  async #during<T>(call: () => Promise<T>): Promise<T> {
    this.#check();
    const running = call();
    this.#calls.add(running);
    try {
      return await running;
    } finally {
      this.#calls.delete(running);
    }
  }

  #within<T>(segment: number, run: (attachment: Attachment) => Promise<T>): Promise<T> {
    return this.#watch.within(segment, this.#attachTimeoutMs, run);
  }

  #lineOptions(name: string): LineOptions {
    return {
      name,
      attachTimeoutMs: this.#attachTimeoutMs,
      spins: this.#options.spins ?? 0,
      mutants: this.#mutants,
    };
  }

  #iterated(batch: number): MessageBatch {
    const { sizes } = this.#watch.attachment(0).segment.layout;
    const one = payloadBytesMax(sizes);
    return new MessageBatch(batch, Math.max(one, Math.min(batch * one, iteratedBytesMax)));
  }

  /**
   * The topic of this name, as messages carry it; made where the router makes topics by itself. One that came with a roll is told when the bus's producers have
   * moved to the generation that has it, or after `attachTimeoutMs`. Rejects with IB_UNKNOWN_TOPIC, IB_TOPICS_FULL,
   * IB_BAD_CONFIG for a name that is none, IB_NO_ROUTER, IB_CLOSED.
   */
  topic(name: string): Promise<TopicId> {
    return this.#during(() => this.#numberOf(name));
  }

  async #numberOf(name: string): Promise<TopicId> {
    if (typeof name !== 'string' || !isTopicName(name)) {
      const expected = `1 to ${topicNameBytes} characters: letters, digits, _ and -, in parts that dots join`;
      throw badArgument('name of a topic', expected, shown(name));
    }
    const segment = segmentOf(name, this.#watch.count);
    const number = this.#knownTopic(segment, name) ?? (await this.#newTopic(segment, name));
    // One that came with a roll is unknown to who is still in the former generation.
    const isTaken = () => [...this.#lines].every((line) => !(line instanceof Producer) || line.takes(segment, number));
    await this.#watch.until(isTaken, this.#attachTimeoutMs);
    return segment * topicsPerSegment + number;
  }

  #knownTopic(segment: number, name: string): number | undefined {
    const cached = this.#topics[segment]?.get(name);
    if (cached !== undefined) return cached;
    const { region, layout } = this.#watch.attachment(segment).segment;
    const topics = readTopics(region, layout);
    this.#topics[segment] = topics;
    return topics.get(name);
  }

  #newTopic(segment: number, name: string): Promise<number> {
    return this.#within(segment, (attachment) =>
      this.#ask(attachment, (seat) => requestTopic(attachment, seat, name, this.#attachTimeoutMs)),
    );
  }

  /** Record of a consumer's subscription; declared where it can be and has to be, else waited for. */
  async #recordOf(attachment: Attachment, { subscription: name, declare }: ConsumerOptions): Promise<number> {
    if (declare === undefined) return waitForSubscription(attachment, name, this.#attachTimeoutMs);
    const record = recordOf(attachment.segment, name);
    if (record !== undefined) return record;
    return this.#ask(attachment, (seat) => requestSubscription(attachment, seat, declare, this.#attachTimeoutMs));
  }

  /**
   * Deletes a subscription that its consumers have left: who declares one for itself alone leaves nothing behind. Rejects with IB_UNSAFE_CHANGE where it has
   * consumers or messages wait for one, or may have since the segment is being rolled; IB_UNKNOWN_TOPIC where there is none, IB_NO_ROUTER, IB_CLOSED.
   */
  unsubscribe(subscription: string): Promise<void> {
    return this.#during(async () => {
      checkSubscriptionName('unsubscribe', subscription);
      for (let segment = 0; segment < this.#watch.count; segment += 1) {
        await this.#within(segment, (attachment) =>
          this.#ask(attachment, (seat) => requestRemoval(attachment, seat, subscription, this.#attachTimeoutMs)),
        );
      }
    });
  }

  /** Asks the router through a seat of its own, taken for as long as the answer needs. Others that ask in the same segment wait. */
  #ask<T>(attachment: Attachment, ask: (seat: HeldSeat) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      const name = 'asks';
      const seat = await join(attachment, { kind: 'producer', name, attachTimeoutMs: this.#attachTimeoutMs });
      try {
        return await ask(seat);
      } finally {
        await leave(attachment, seat, this.#attachTimeoutMs);
      }
    };
    const segment =
      Array.from(this.#asking, (_, index) => index).find((index) => this.#watch.attachment(index) === attachment) ?? 0;
    const answer = (this.#asking[segment] ?? Promise.resolve()).then(run, run);
    this.#asking[segment] = answer;
    return answer;
  }

  /**
   * What the words of a segment say, read without taking part.
   *
   * @param segment which of the bus's segments; default the first
   */
  inspect(segment = 0): SegmentDescription {
    this.#check();
    return describeSegment(this.#attachment(segment).segment);
  }

  /**
   * Whether a process routes a segment now: has its router's lock, be it stopped. What is published without one waits for the next.
   *
   * @param segment which of the bus's segments; default the first
   */
  isRouted(segment = 0): boolean {
    this.#check();
    return isRouted(this.#attachment(segment));
  }

  #attachment(segment: number): Attachment {
    const { count } = this.#watch;
    if (whole('segment', segment, 0) < count) return this.#watch.attachment(segment);
    throw badArgument('segment', `a number below ${count}, as many as the bus has`, shown(segment));
  }

  #check(): void {
    if (this.#closed !== undefined) throw new BusError('IB_CLOSED', 'the bus is closed: open it again');
  }

  /**
   * Closes producers and consumers, waiting for the routers up to five seconds, and detaches. Calls under way reject with IB_CLOSED, unless they were
   * through already; what they have taken is given back.
   */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#closing.abort();
    const failures: unknown[] = [];
    const note = (error: unknown): void => {
      failures.push(error);
    };
    // A call that was through just now has a line more.
    while (this.#lines.size > 0 || this.#calls.size > 0) {
      await Promise.allSettled([...this.#calls, ...[...this.#lines].map((line) => line.close().catch(note))]);
    }
    await this.#watch.close();
    if (failures.length > 0) throw failures[0];
  }
}

/** Which segment has a topic: FNV-1a over its name. */
function segmentOf(name: string, segments: number): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x0100_0193);
  return (hash >>> 0) % segments;
}
