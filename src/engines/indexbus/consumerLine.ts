import { Receiver } from './consumer.ts';
import { type Attachment, type FormerSeat, type HeldSeat, join } from './join.ts';
import { LaneHead } from './laneHead.ts';
import { Access, LaneCursor, Seat } from './layout.ts';
import { acknowledgeFence, leave } from './leave.ts';
import { plantInReceiver } from './plantedLines.ts';
import type { LineOptions } from './producerLine.ts';
import { isRetired } from './retirement.ts';
import { isHeldBy } from './seat.ts';
import { readSubscription } from './subscriptions.ts';
import { ViewReceiver } from './viewConsumer.ts';
import { Waiting } from './waiting.ts';

export interface ConsumerLineOptions extends LineOptions {
  /** Name of the subscription. */
  readonly subscription: string;
  /** Its record in this segment, as it was found. */
  readonly record: number;
  /** Most messages of one receive. */
  readonly batch: number;
  /** Compares check words. */
  readonly checked: boolean;
}

/** A consumer in one segment: its seat, its head, its way to receive, its waiting for messages. */
export interface ConsumerLine {
  readonly attachment: Attachment;
  readonly seat: HeldSeat;
  readonly head: LaneHead;
  readonly receiver: Receiver | ViewReceiver;
  readonly waiting: Waiting;
  /** Whether a receive has something to say, or the line waits for the end of what was received, to go on in the next generation. */
  hasNews(): boolean;
}

/**
 * Takes a seat and receives on its lane. Undefined where the record had become another subscription's before the seat was live: the seat is given back, and
 * the subscription has to be found anew. From then on it cannot: one with consumers is not deleted. Rejects as `join` does.
 */
export async function openConsumerLine(
  attachment: Attachment,
  options: ConsumerLineOptions,
  follows?: FormerSeat,
): Promise<ConsumerLine | undefined> {
  const { segment, host } = attachment;
  const { region, layout, words } = segment;
  const found = readSubscription(region, layout, options.record);
  const seat = await join(attachment, {
    kind: 'consumer',
    name: options.name,
    subscription: options.record,
    access: found?.subscription.access ?? 'copy',
    attachTimeoutMs: options.attachTimeoutMs,
    ...(follows === undefined ? {} : { follows }),
  });
  const stored = readSubscription(region, layout, options.record);
  if (stored?.subscription.name !== options.subscription) {
    await leave(attachment, seat, options.attachTimeoutMs);
    return undefined;
  }
  const { place, epoch } = seat;
  const { mutants, batch } = options;
  const head = new LaneHead(region, place, epoch, () => acknowledgeFence(attachment, seat), mutants);
  // The router has written what the lane really is when it made the seat live.
  const isView = Atomics.load(words, place.at + Seat.access) === Access.view;
  const viewMax = Math.min(batch, stored.subscription.viewMax);
  const receiver = isView
    ? new ViewReceiver(region, layout, place.number, head, viewMax)
    : new Receiver(region, layout, place.number, head, batch, options.checked, mutants);
  plantInReceiver(receiver, mutants);
  const hasNews = (): boolean => head.hasNews() || (!head.isThrough && isRetired(segment));
  const waiting = new Waiting(
    region,
    host,
    place.cursors + LaneCursor.sleeping,
    place.wake,
    hasNews,
    options.spins,
    mutants,
    () => isHeldBy(Atomics.load(region.words, place.at), epoch),
  );
  return { attachment, seat, head, receiver, waiting, hasNews };
}

/** Ends a line: what was received is done; waits until the router has taken back the rest. */
export function closeConsumerLine(line: ConsumerLine, drainTimeoutMs: number): Promise<void> {
  line.head.close();
  // Whoever waits for messages learns that none come any more.
  line.waiting.wakeAll();
  return leave(line.attachment, line.seat, drainTimeoutMs);
}
