import type { Region } from '../../host/sharedMemory.ts';
import { ringSeatsBell } from './bells.ts';
import type { Subscription } from './commands.ts';
import { BusError, type BusErrorCode, busErrorStatus } from './errors.ts';
import { Seat, SeatOperation, seatTextBytes } from './layout.ts';
import { Point } from './points.ts';
import { readText, textBytes, writeText } from './texts.ts';

/**
 * The mailbox of a seat: its holder writes an operation and a text, then raises `requestSequence`; the router answers with a result and a text,
 * then makes `replySequence` equal. The text of `topic` is a topic's name, that of `subscribe` a subscription's, or a part of a declaration, that of
 * `unsubscribe` a subscription's.
 */
export type RequestName = Exclude<keyof typeof SeatOperation, 'none'>;

/** Result of a request that was refused: its text says why. */
export const refusedResult = -1;
/** What stands in its place for a joiner that took the seat of a lane which it may not have yet: there is another one for it, and it tries again. */
export const sentBackResult = -2;

/** For the holder: asks; the sequence that the answer will have. The text must fit. */
export function ask(region: Region, at: number, operation: RequestName, text: string): number {
  const { words, bytes } = region;
  region.step(Point.request);
  writeText(bytes, at + Seat.text, seatTextBytes, text);
  words[at + Seat.operation] = SeatOperation[operation];
  const sequence = (Atomics.load(words, at + Seat.requestSequence) + 1) | 0;
  Atomics.store(words, at + Seat.requestSequence, sequence);
  ringSeatsBell(region);
  return sequence;
}

/** Whether the request with this sequence has its answer. */
export function isAnswered(region: Region, at: number, sequence: number): boolean {
  return Atomics.load(region.words, at + Seat.replySequence) === sequence;
}

/** For the holder: the answer's number. Throws what the router refused with. */
export function readAnswer(region: Region, at: number): number {
  const result = Atomics.load(region.words, at + Seat.result);
  if (result !== refusedResult) return result;
  throw refusalOf(readText(region.bytes, at + Seat.text, seatTextBytes));
}

/** The error that a refusal's text tells: its code, a blank, its message. */
export function refusalOf(text: string): BusError {
  const [code = '', ...words] = text.split(' ');
  // Just looked at: it is one of the codes.
  if (Object.hasOwn(busErrorStatus, code)) return new BusError(code as BusErrorCode, words.join(' '));
  return new BusError('IB_CORRUPT', `the router refused without a code: ${JSON.stringify(text)}`);
}

/** A declaration travels as JSON in parts, each with a first character that no name begins with: whether another part follows. */
const more = '+';
const last = '=';

/** The texts with which a consumer declares a subscription, in order. */
export function declarationParts(subscription: Subscription): readonly string[] {
  const text = JSON.stringify(subscription);
  if (textBytes(text) !== text.length) {
    throw new BusError(
      'IB_BAD_CONFIG',
      `subscription ${subscription.name}: names and patterns are of letters, digits, "_", "-"`,
    );
  }
  const room = seatTextBytes - 1;
  const parts: string[] = [];
  for (let from = 0; from < text.length; from += room) {
    parts.push((from + room >= text.length ? last : more) + text.slice(from, from + room));
  }
  return parts;
}

/** For the router: declarations that arrive in parts. What came is checked by whoever makes a subscription of it. */
export class Declarations {
  readonly #parts = new Map<number, string>();

  /** Whether the text of a `subscribe` is a part of a declaration; else it is a name. */
  static isPart(text: string): boolean {
    return text.startsWith(more) || text.startsWith(last);
  }

  /** Takes a part from the seat whose first word is `at`; the whole JSON once it is there. */
  take(at: number, part: string): string | undefined {
    const text = (this.#parts.get(at) ?? '') + part.slice(1);
    if (part.startsWith(more)) {
      this.#parts.set(at, text);
      return undefined;
    }
    this.#parts.delete(at);
    return text;
  }

  /** Forgets what a former holder of the seat began. */
  forget(at: number): void {
    this.#parts.delete(at);
  }
}
