import { type Bus, openBus } from '../../../engines/indexbus/bus.ts';
import type { Producer } from '../../../engines/indexbus/busProducer.ts';
import { BusError, FencedError } from '../../../engines/indexbus/errors.ts';
import { seatsMax } from '../../../engines/indexbus/layout.ts';
import { topicsPerSegment } from '../../../engines/indexbus/messageBatch.ts';
import { payloadCheck } from '../../../engines/indexbus/payloadCheck.ts';
import { changeMind } from './changeMind.ts';
import type { ProgramContext } from './participant.ts';
import { sentAtWord } from './payload.ts';
import { surviving } from './preemption.ts';
import { Rounds, spins } from './rounds.ts';
import type { BusBook } from './witness/busBook.ts';
import { ParticipantWitness, type Publishing } from './witness/participantWitness.ts';

/** What a producer does now: read anew at each turn. */
export interface ProducerOrders {
  readonly segments: readonly string[];
  readonly topics: readonly string[];
  /** Messages a second. */
  readonly rate: number;
  readonly everyMs: number;
  readonly burst: { readonly every: number; readonly messages: number } | undefined;
  readonly bytes: number;
  readonly keys: number;
  /** Share of the messages with key 0, 0 to 1. */
  readonly hotKey: number;
  readonly publish: 'words' | 'bytes' | 'in place';
  readonly checked: boolean;
  /** Probability with which it begins with a bus that it closes before it has a seat. */
  readonly hasty: number;
  /** How long after a turn what it has published is flushed, unless a batch is full before. 0: at the end of the turn. */
  readonly flushAfterMs: number;
}

/** Messages that a producer that was held up sends at most at once, in seconds of its rate. */
const arrearsSeconds = 1;
const readyMs = 1_000;
/** Share of the payloads written in place between whose reserve and commit it rests, and for how long at most. */
const restShare = 0.02;
const restMsMax = 30;

/** Publishes as it is told until it shall leave; every message says who sent it and which it is. */
export async function produce(
  { host, watched, participant }: ProgramContext,
  orders: () => ProducerOrders,
  attached: (producer: Producer | undefined) => void,
): Promise<void> {
  const { segments, checked, hasty, flushAfterMs } = orders();
  const options = { name: participant.name, checked };
  await changeMind(host, segments, hasty, (it) => it.producer(options));
  const isLate = flushAfterMs > 0;
  const atEndOfTurn = (flush: () => void): void => {
    if (isLate) host.clock.timer(flushAfterMs, flush);
    // The turn may be a router's that lost its core to this one, which may die of its flush.
    else queueMicrotask(() => surviving(flush));
  };
  const bus = await openBus({ host, segments, atEndOfTurn });
  let producer: Producer | undefined;
  let lines: readonly ParticipantWitness[] = [];
  try {
    producer = await bus.producer(options);
    const topics = new Map<string, number>();
    lines = linesNow(producer);
    attached(producer);
    participant.lineOn = (book) => lines.find((line) => line.book === book);
    await publishing(bus, producer, topics);
    await producer.close();
    await bus.close();
  } finally {
    participant.send = undefined;
    participant.reserved = 0;
    participant.lineOn = undefined;
    attached(undefined);
    // One that was refused lets go of the memory without waiting for anybody.
    if (participant.process?.alive === true) void bus.close();
  }

  function linesNow(of: Producer): ParticipantWitness[] {
    return linesOf(of, segments.length, watched.witnesses, participant.name, participant.process?.pid ?? 0);
  }

  /** Whether a roll has given it a seat in another segment since. */
  function hasMoved(through: Producer): boolean {
    return lines.some(({ book }, at) => through.attachmentOf(at).segment.words.buffer !== book.segment.words.buffer);
  }

  /** It is told to leave, or nobody shall send any more: what it still owes is not sent. */
  function isOver(): boolean {
    return participant.isLeaving || orders().rate === 0;
  }

  function endTurn(): void {
    for (const line of lines) line.tellAccepted();
  }

  async function publishing(over: Bus, through: Producer, topics: Map<string, number>): Promise<void> {
    const random = host.random.stream('messages');
    const words = new Int32Array(16_384);
    let sentAt = host.clock.now();
    let burstAt = host.clock.now();
    let number = 0;
    let owed = 0;
    participant.send = () => {
      if (participant.isLeaving || !participant.isUndisturbed) return;
      const told = orders();
      const topic = topics.get(told.topics[number % told.topics.length] ?? 't');
      if (topic === undefined || told.rate === 0) return;
      try {
        if (!publish(through, written(through, topic, told.bytes, 'words', words), random.integer(0, told.keys - 1)))
          return;
        number += 1;
        // It has sent one of its next messages; what was sent so beyond that is on top of its rate.
        owed = Math.max(owed - 1, -1);
        if (!isLate) through.flush();
        watched.settle();
        endTurn();
      } catch (error) {
        // Its own next call is refused as well.
        if (!(error instanceof BusError)) throw error;
      }
    };
    while (!participant.isLeaving) {
      const told = orders();
      await host.clock.sleep(told.everyMs);
      const now = host.clock.now();
      const seconds = Math.min(arrearsSeconds, (now - sentAt) / 1_000);
      sentAt = now;
      if (participant.isStalled) continue;
      owed = Math.min(owed + seconds * told.rate, Math.max(1, told.rate * arrearsSeconds));
      let due = Math.max(0, Math.floor(owed));
      owed -= due;
      if (told.burst !== undefined && told.rate > 0 && now - burstAt >= told.burst.every) {
        burstAt = now;
        due += told.burst.messages;
      }
      for (; due > 0 && !isOver(); due -= 1) {
        const name = told.topics[number % told.topics.length] ?? 't';
        const topic = topics.get(name) ?? (await over.topic(name));
        topics.set(name, topic);
        const key = random.chance(told.hotKey) ? 0 : random.integer(0, told.keys - 1);
        const rounds = new Rounds(host.clock);
        const publishNow = () => {
          const payload = written(through, topic, told.bytes, told.publish, words);
          return told.publish === 'in place' ? publishInPlace(through, payload, key) : publish(through, payload, key);
        };
        while (!(await publishNow())) {
          await through.ready(readyMs);
          if (isOver()) break;
          if (rounds.isSpinning()) await spins(lines[0]?.book, participant.name, host.clock);
        }
        number += 1;
      }
      if (!isLate) through.flush();
      watched.settle();
      endTurn();
    }
  }

  /** A payload that says who sends it, and which it is. */
  function written(
    through: Producer,
    topic: number,
    bytes: number,
    how: ProducerOrders['publish'],
    words: Int32Array,
  ): Payload {
    if (hasMoved(through)) lines = linesNow(through);
    const line = lines[topic >>> 16];
    if (line?.producer === undefined) throw new Error(`${participant.name} publishes without a seat that is watched`);
    const count = Math.ceil(bytes / 4);
    const seed = Math.imul(line.producer + 1, 0x9e37_79b1) ^ line.published;
    words[0] = line.producer;
    words[1] = line.published;
    for (let word = 2; word < count; word += 1) words[word] = Math.imul(seed + word, 0x85eb_ca6b);
    if (count > sentAtWord) words[sentAtWord] = Math.floor(host.clock.now() * 1_000) | 0;
    const byteLength = how === 'words' ? count * 4 : bytes;
    return { line, producer: line.producer, topic, words, byteLength, isBytes: how === 'bytes' };
  }

  function publish(through: Producer, payload: Payload, key: number): boolean {
    const { line, topic, words, byteLength, isBytes } = payload;
    line.message = messageOf(payload, key);
    const accepted = telling(line, () =>
      isBytes
        ? through.publish(topic, new Uint8Array(words.buffer, 0, byteLength), key)
        : through.publishWords(topic, words, 0, byteLength / 4, key),
    );
    watched.settle();
    line.answered(accepted);
    return accepted;
  }

  /** Runs a call that publishes; where it throws, says so. */
  function telling<T>(line: ParticipantWitness, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof BusError) {
        watched.settle();
        line.threw(error instanceof FencedError && error.maybeRouted);
      }
      throw error;
    }
  }

  /** Writes where the message will stand; now and then it rests before it publishes that. */
  async function publishInPlace(through: Producer, payload: Payload, key: number): Promise<boolean> {
    const { line, topic, words, byteLength } = payload;
    const from = telling(line, () => through.reserve(byteLength, topic));
    if (from < 0) {
      watched.settle();
      line.answered(false);
      return false;
    }
    through.words.set(words.subarray(0, Math.ceil(byteLength / 4)), from);
    const message = messageOf(payload, key);
    const random = host.random.stream('rests');
    if (random.chance(restShare)) {
      participant.reserved = 1;
      await host.clock.sleep(random.float() * restMsMax);
      participant.reserved = 0;
    }
    // What it sent meanwhile is another message.
    line.message = message;
    telling(line, () => through.commit(topic, byteLength, key));
    watched.settle();
    line.answered(true);
    return true;
  }
}

/** What is to be published, and by whom. */
interface Payload {
  readonly line: ParticipantWitness;
  readonly producer: number;
  readonly topic: number;
  readonly words: Int32Array;
  readonly byteLength: number;
  readonly isBytes: boolean;
}

function messageOf({ topic, words, byteLength }: Payload, key: number): Publishing {
  return {
    topic: topic & (topicsPerSegment - 1),
    key,
    byteLength,
    checksum: payloadCheck(words, 0, byteLength),
  };
}

/** What is watched of a producer in each of its segments. */
function linesOf(
  producer: Producer,
  segments: number,
  witnesses: ReadonlyMap<BusBook, unknown>,
  name: string,
  pid: number,
): ParticipantWitness[] {
  return Array.from({ length: Math.min(segments, seatsMax) }, (_, segment) => {
    const { words } = producer.attachmentOf(segment).segment;
    for (const [book, witness] of witnesses) {
      if (book.segment.words.buffer !== words.buffer || !(witness instanceof ParticipantWitness)) continue;
      const number = book.holderNamed('producer', pid, name);
      if (number === undefined) break;
      witness.seated('producer', number);
      return witness;
    }
    throw new Error(`${name} has a seat in segment ${segment} that nobody saw it take`);
  });
}
