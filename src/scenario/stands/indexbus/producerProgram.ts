import { type Bus, openBus } from '../../../engines/indexbus/bus.ts';
import type { Producer } from '../../../engines/indexbus/busProducer.ts';
import { BusError } from '../../../engines/indexbus/errors.ts';
import { seatsMax } from '../../../engines/indexbus/layout.ts';
import { topicsPerSegment } from '../../../engines/indexbus/messageBatch.ts';
import { payloadCheck } from '../../../engines/indexbus/payloadCheck.ts';
import type { ProgramContext } from './participant.ts';
import { sentAtWord } from './payload.ts';
import { Rounds, spins } from './rounds.ts';
import type { BusBook } from './witness/busBook.ts';
import { ParticipantWitness } from './witness/participantWitness.ts';

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
}

/** Messages that a producer that was held up sends at most at once, in seconds of its rate. */
const arrearsSeconds = 1;
const readyMs = 1_000;

/** Publishes as it is told until it shall leave; every message says who sent it and which it is. */
export async function produce(
  { host, watched, participant }: ProgramContext,
  orders: () => ProducerOrders,
  attached: (producer: Producer | undefined) => void,
  refused: (book: BusBook, producer: number) => void,
): Promise<void> {
  const { segments } = orders();
  const bus = await openBus({ host, segments });
  let producer: Producer | undefined;
  let lines: readonly ParticipantWitness[] = [];
  try {
    producer = await bus.producer({ name: participant.name });
    const topics = new Map<string, number>();
    lines = linesNow(producer);
    attached(producer);
    await publishing(bus, producer, topics);
    await producer.close();
    await bus.close();
  } finally {
    participant.send = undefined;
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
        if (!publish(through, topic, random.integer(0, told.keys - 1), told.bytes, words)) return;
        number += 1;
        // It has sent one of its next messages; what was sent so beyond that is on top of its rate.
        owed = Math.max(owed - 1, -1);
        through.flush();
        watched.settle();
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
        while (!publish(through, topic, key, told.bytes, words)) {
          await through.ready(readyMs);
          if (isOver()) break;
          if (rounds.isSpinning()) await spins(lines[0]?.book, participant.name, host.clock);
        }
        number += 1;
      }
      through.flush();
      watched.settle();
    }
  }

  function publish(through: Producer, topic: number, key: number, bytes: number, words: Int32Array): boolean {
    if (hasMoved(through)) lines = linesNow(through);
    const line = lines[topic >>> 16];
    if (line?.producer === undefined) throw new Error(`${participant.name} publishes without a seat that is watched`);
    const count = Math.ceil(bytes / 4);
    const seed = Math.imul(line.producer + 1, 0x9e37_79b1) ^ line.published;
    words[0] = line.producer;
    words[1] = line.published;
    for (let word = 2; word < count; word += 1) words[word] = Math.imul(seed + word, 0x85eb_ca6b);
    if (count > sentAtWord) words[sentAtWord] = Math.floor(host.clock.now() * 1_000) | 0;
    line.message = {
      topic: topic & (topicsPerSegment - 1),
      key,
      byteLength: count * 4,
      checksum: payloadCheck(words, 0, count * 4),
    };
    const accepted = through.publishWords(topic, words, 0, count, key);
    watched.settle();
    if (!accepted) refused(line.book, line.producer);
    return accepted;
  }
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
