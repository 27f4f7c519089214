import { type Attachment, type FormerSeat, type HeldSeat, join } from './join.ts';
import { ProducerCursor } from './layout.ts';
import { acknowledgeFence, leave } from './leave.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { plantInPublisher } from './plantedLines.ts';
import { Publisher, type PublisherOptions } from './producer.ts';
import { isHeldBy } from './seat.ts';
import { Waiting } from './waiting.ts';

/** What a line of a bus needs beside its segment. */
export interface LineOptions {
  readonly name: string;
  readonly attachTimeoutMs: number;
  /** Looks before the first sleep of a wait. */
  readonly spins: number;
  readonly mutants: IndexbusMutantFlags;
}

/** A producer in one segment: its seat, its hot path, its waiting for credit. */
export interface ProducerLine {
  readonly attachment: Attachment;
  readonly seat: HeldSeat;
  readonly publisher: Publisher;
  readonly waiting: Waiting;
}

/** Takes a seat and publishes from it. Rejects as `join` does. */
export async function openProducerLine(
  attachment: Attachment,
  options: LineOptions & PublisherOptions,
  follows?: FormerSeat,
): Promise<ProducerLine> {
  const seat = await join(attachment, {
    kind: 'producer',
    name: options.name,
    attachTimeoutMs: options.attachTimeoutMs,
    ...(follows === undefined ? {} : { follows }),
  });
  const { segment, host } = attachment;
  const { region, layout } = segment;
  const { place, epoch } = seat;
  const flushEvery = Math.min(options.flushEvery, layout.sizes.slots);
  const publisher = new Publisher(
    region,
    layout,
    host,
    place,
    epoch,
    { ...options, flushEvery },
    () => acknowledgeFence(attachment, seat),
    options.mutants,
  );
  plantInPublisher(publisher, segment, options.mutants);
  const waiting = new Waiting(
    region,
    host,
    place.cursors + ProducerCursor.waiting,
    place.wake,
    () => publisher.hasNews(),
    options.spins,
    options.mutants,
    () => isHeldBy(Atomics.load(region.words, place.at), epoch),
  );
  return { attachment, seat, publisher, waiting };
}

/** Ends a line: what was published is flushed; waits until the router has taken it, `drainTimeoutMs` at most. */
export function closeProducerLine(line: ProducerLine, drainTimeoutMs: number): Promise<void> {
  line.publisher.close();
  // Whoever waits for credit learns that there is none to come.
  line.waiting.wakeAll();
  return leave(line.attachment, line.seat, drainTimeoutMs);
}
