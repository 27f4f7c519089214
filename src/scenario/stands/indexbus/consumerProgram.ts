import { openBus } from '../../../engines/indexbus/bus.ts';
import type { Consumer } from '../../../engines/indexbus/busConsumer.ts';
import { distance } from '../../../engines/indexbus/cursor.ts';
import { BusError } from '../../../engines/indexbus/errors.ts';
import { seatsMax } from '../../../engines/indexbus/layout.ts';
import { MessageBatch } from '../../../engines/indexbus/messageBatch.ts';
import { payloadCheck } from '../../../engines/indexbus/payloadCheck.ts';
import { changeMind } from './changeMind.ts';
import type { ProgramContext } from './participant.ts';
import { sentAtUs } from './payload.ts';
import { Rounds, spins } from './rounds.ts';
import type { BusBook } from './witness/busBook.ts';
import { ParticipantWitness } from './witness/participantWitness.ts';

/** What a consumer does now: read anew at each turn. */
export interface ConsumerOrders {
  readonly segments: readonly string[];
  readonly subscription: string;
  readonly batch: number;
  /** Time that it needs for a message. */
  readonly serviceMs: number;
  /** Time that it needs each time it takes messages. */
  readonly perBatchMs: number;
  /** Whether it says that it is through as soon as it is. */
  readonly acks: boolean;
  readonly checked: boolean;
  /** Probability with which it begins with a bus that it closes before it has a seat. */
  readonly hasty: number;
}

const readyMs = 1_000;
const stalledLookMs = 20;

/** Receives until it shall leave, and tells of each message what it was. A consumer whose lane was taken comes back on another. */
export async function consume(
  { host, watched, participant }: ProgramContext,
  orders: () => ConsumerOrders,
  attached: () => void,
  waits: (book: BusBook, lane: number) => { received(): void },
  took: (ms: number) => void,
): Promise<void> {
  const { segments, subscription, batch, checked, hasty } = orders();
  const options = { subscription, name: participant.name, batch, checked };
  await changeMind(host, segments, hasty, (bus) => bus.consumer(options));
  const bus = await openBus({ host, segments });
  try {
    const consumer = await bus.consumer(options);
    const linesNow = (): Line[] =>
      linesOf(consumer, segments.length, watched.witnesses, participant.name, participant.process?.pid ?? 0);
    let lines = linesNow();
    attached();
    const rounds = new Rounds(host.clock);
    const into = new MessageBatch(batch, Math.min(batch * 65_536, 4_194_304));
    while (!participant.isLeaving) {
      if (participant.isStalled) {
        await host.clock.sleep(stalledLookMs);
        continue;
      }
      // A roll may have given it a lane in another segment meanwhile.
      const hasMoved = lines.some(
        ({ book }, at) => consumer.attachmentOf(at).segment.words.buffer !== book.segment.words.buffer,
      );
      if (hasMoved) lines = linesNow();
      const count = receiveInto(consumer, into, lines);
      watched.settle();
      if (count === 0) {
        const waiting = lines.map(({ book, lane }) => waits(book, lane));
        await consumer.ready(readyMs);
        for (const one of waiting) one.received();
        if (rounds.isSpinning()) await spins(lines[0]?.book, participant.name, host.clock);
        continue;
      }
      tell(lines, into);
      for (let index = 0; index < count; index += 1) {
        const sentAt = sentAtUs(into, index);
        if (sentAt !== undefined) took(distance(Math.floor(host.clock.now() * 1_000) | 0, sentAt) / 1_000);
      }
      // Its work: as much slower as its processor is.
      const { serviceMs, perBatchMs, acks } = orders();
      await host.clock.sleep((count * serviceMs + perBatchMs) * participant.machine.slowFactor);
      if (participant.process === undefined) return;
      lookAgain(lines, into);
      if (!acks) continue;
      consumer.ack();
      watched.settle();
    }
    await consumer.close();
    watched.settle();
    await bus.close();
  } finally {
    if (participant.process?.alive === true) void bus.close();
  }
}

interface Line {
  readonly book: BusBook;
  readonly lane: number;
  readonly witness: ParticipantWitness;
}

/** What a consumer finds damaged is damaged: no message that its producer wrote is something else. */
function receiveInto(consumer: Consumer, into: MessageBatch, lines: readonly Line[]): number {
  for (const { witness } of lines) witness.receives();
  try {
    return consumer.receive(into);
  } catch (error) {
    if (error instanceof BusError && error.code === 'IB_CORRUPT') {
      for (const { book, lane } of suspects(lines))
        book.damageFound(`the consumer of lane ${lane} was told: ${error.message}`);
    }
    throw error;
  }
}

/** Lines of which a receive may have told damage: the one in which it has claimed, or any if it had not come to that. */
function suspects(lines: readonly Line[]): readonly Line[] {
  const claimed = lines.filter(({ witness }) => witness.withholds());
  if (claimed.length > 0) return claimed;
  return lines.some(({ book }) => book.isDamaged) ? [] : lines;
}

/** Which line a message came by, and what number its producer has there. */
function sourceOf(lines: readonly Line[], into: MessageBatch, index: number) {
  const producer = into.producer(index);
  const line = lines[Math.floor(producer / seatsMax)];
  if (line === undefined) throw new Error(`message of producer ${producer}: there are ${lines.length} segments`);
  return { ...line, producer: line.book.reader.producer(producer % seatsMax) };
}

function tell(lines: readonly Line[], into: MessageBatch): void {
  for (let index = 0; index < into.length; index += 1) {
    const { book, lane, producer } = sourceOf(lines, into, index);
    const byteLength = into.byteLength(index);
    book.put({
      event: 'received',
      lane,
      producer,
      sequence: into.sequence(index) | 0,
      requeued: into.requeued(index),
      redelivered: into.redelivered(index),
      byteLength,
      checksum: payloadCheck(into.words, into.wordOffset(index), byteLength),
    });
  }
}

/** Messages that are read where they stand have to be there as long as nobody has said that they are done. */
function lookAgain(lines: readonly Line[], into: MessageBatch): void {
  for (let index = 0; index < into.length; index += 1) {
    const { book, lane, producer } = sourceOf(lines, into, index);
    if (into.words.buffer !== book.segment.words.buffer) return;
    const checksum = payloadCheck(into.words, into.wordOffset(index), into.byteLength(index));
    book.put({ event: 'looked-again', lane, producer, sequence: into.sequence(index) | 0, checksum });
  }
}

function linesOf(
  consumer: Consumer,
  segments: number,
  witnesses: ReadonlyMap<BusBook, unknown>,
  name: string,
  pid: number,
): Line[] {
  return Array.from({ length: segments }, (_, segment) => {
    const { words } = consumer.attachmentOf(segment).segment;
    for (const [book, witness] of witnesses) {
      if (book.segment.words.buffer !== words.buffer || !(witness instanceof ParticipantWitness)) continue;
      const lane = book.holderNamed('lane', pid, name);
      if (lane === undefined) break;
      witness.seated('lane', lane);
      return { book, lane, witness };
    }
    throw new Error(`${name} has a lane in segment ${segment} that nobody saw it take`);
  });
}
