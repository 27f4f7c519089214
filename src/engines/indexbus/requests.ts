import type { Subscription } from './commands.ts';
import { BusError } from './errors.ts';
import type { Attachment, HeldSeat } from './join.ts';
import { ask, declarationParts, isAnswered, type RequestName, readAnswer } from './mailbox.ts';
import { SeatState, seatWord } from './seat.ts';
import { sleepBoundMs } from './waiting.ts';

/** Asks the router for a topic's number; it is created where the router does that. Rejects with what the router refuses with, or IB_NO_ROUTER. */
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

/** One request at a time a seat: the caller sees to it. */
async function request(
  attachment: Attachment,
  seat: HeldSeat,
  operation: RequestName,
  text: string,
  timeoutMs: number,
): Promise<number> {
  const { segment, host } = attachment;
  const { region, words } = segment;
  const { at, wake } = seat.place;
  const deadline = host.clock.now() + timeoutMs;
  const asked = ask(region, at, operation, text);
  for (;;) {
    const sequence = Atomics.load(words, wake);
    if (isAnswered(region, at, asked)) return readAnswer(region, at);
    const left = deadline - host.clock.now();
    if (Atomics.load(words, at) !== seatWord(seat.epoch, SeatState.live)) {
      throw new BusError('IB_FENCED', 'the seat was taken while it waited for an answer: try again');
    }
    if (!(left > 0)) {
      throw new BusError(
        'IB_NO_ROUTER',
        `the router of ${segment.name} does not answer: hotfire indexbus triage tells why`,
      );
    }
    await region.waitAsync(wake, sequence, Math.min(left, sleepBoundMs));
  }
}
