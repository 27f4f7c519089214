import type { Subscription } from './commands.ts';
import { BusError } from './errors.ts';
import type { Attachment, HeldSeat } from './join.ts';
import { ask, declarationParts, isAnswered, type RequestName, readAnswer } from './mailbox.ts';
import { isRetired, retired } from './retirement.ts';
import { SeatState, seatWord } from './seat.ts';
import { waitForRouter } from './wakeWait.ts';

/**
 * Asks the router for a topic's number; it is created where the router does that. Rejects with what the router refuses with, IB_NO_ROUTER,
 * IB_RETIRED where the segment was replaced meanwhile, IB_CLOSED where the bus closes.
 */
export function requestTopic(attachment: Attachment, seat: HeldSeat, name: string, timeoutMs: number): Promise<number> {
  return request(attachment, seat, 'topic', name, timeoutMs);
}

/** Declares a subscription; resolves with its record. Rejects like `requestTopic`. */
export async function requestSubscription(
  attachment: Attachment,
  seat: HeldSeat,
  subscription: Subscription,
  timeoutMs: number,
): Promise<number> {
  let record = -1;
  for (const part of declarationParts(subscription)) {
    record = await request(attachment, seat, 'subscribe', part, timeoutMs);
  }
  return record;
}

/** Deletes a subscription that nobody consumes and for which nothing waits. Rejects like `requestTopic`, and with IB_UNSAFE_CHANGE where somebody does. */
export async function requestRemoval(
  attachment: Attachment,
  seat: HeldSeat,
  subscription: string,
  timeoutMs: number,
): Promise<void> {
  await request(attachment, seat, 'unsubscribe', subscription, timeoutMs);
}

/** One request at a time a seat: the caller sees to it. */
async function request(
  attachment: Attachment,
  seat: HeldSeat,
  operation: RequestName,
  text: string,
  timeoutMs: number,
): Promise<number> {
  const { segment, host, closing } = attachment;
  const { region, words } = segment;
  const { at, wake } = seat.place;
  const deadline = host.clock.now() + timeoutMs;
  const asked = ask(region, at, operation, text);
  const live = seatWord(seat.epoch, SeatState.live);
  const isOver = (): boolean => isAnswered(region, at, asked) || Atomics.load(words, at) !== live || isRetired(segment);
  const end = await waitForRouter(attachment, wake, deadline, isOver, closing);
  if (isAnswered(region, at, asked)) return readAnswer(region, at);
  if (end === 'so' && isRetired(segment)) throw retired(segment);
  if (end === 'so') throw new BusError('IB_FENCED', 'the seat was taken while it waited for an answer: try again');
  if (end === 'closing') throw new BusError('IB_CLOSED', 'the bus closes: open it again');
  throw new BusError(
    'IB_NO_ROUTER',
    `the router of ${segment.name} does not answer: hotfire indexbus triage tells why`,
  );
}
