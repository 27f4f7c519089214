import type { Region } from '../../host/sharedMemory.ts';
import { BusError, type BusErrorCode, busErrorStatus } from './errors.ts';
import { Seat, SeatOperation, seatTextBytes } from './layout.ts';
import { Point } from './points.ts';
import { readText, textBytes, writeText } from './texts.ts';

/**
 * The mailbox of a seat: its holder writes an operation and a text, then raises `requestSequence`; the router answers with a result and a text,
 * then makes `replySequence` equal. What is longer than the text has room for goes in parts, of which each is answered: `more` says
 * that another follows.
 */
export type RequestName = Exclude<keyof typeof SeatOperation, 'none'>;

/** What a seat asks. */
export interface Request {
  readonly operation: RequestName;
  /** A topic's name; of `subscribe` a `Subscription` in JSON. */
  readonly text: string;
}

/** First byte of a request's text: whether another part follows. */
const more = '+';
const last = '.';

/** Result of a request that was refused: its text says why. */
export const refusedResult = -1;

const decoderOf = new Map<number, RequestName>([
  [SeatOperation.topic, 'topic'],
  [SeatOperation.subscribe, 'subscribe'],
]);

/** The parts in which a text travels: ASCII, since JSON and names of topics are. */
export function requestParts(text: string): readonly string[] {
  const room = seatTextBytes - 1;
  const ascii = [...text].map((it) => (it < '\u0080' ? it : escaped(it))).join('');
  const parts: string[] = [];
  for (let from = 0; from === 0 || from < ascii.length; from += room) {
    const end = from + room >= ascii.length;
    parts.push((end ? last : more) + ascii.slice(from, from + room));
  }
  return parts;
}

/** As JSON writes it, so that the text stays the same JSON. */
function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}

/** For the holder: asks with one part; the sequence that the answer will have. */
export function ask(region: Region, at: number, operation: RequestName, part: string): number {
  const { words, bytes } = region;
  region.step(Point.request);
  writeText(bytes, at + Seat.text, seatTextBytes, part);
  words[at + Seat.operation] = SeatOperation[operation];
  const sequence = (Atomics.load(words, at + Seat.requestSequence) + 1) | 0;
  Atomics.store(words, at + Seat.requestSequence, sequence);
  return sequence;
}

export function isAnswered(region: Region, at: number, sequence: number): boolean {
  return Atomics.load(region.words, at + Seat.replySequence) === sequence;
}

/** For the holder: the answer's number. Throws what the router refused with. */
export function readAnswer(region: Region, at: number): number {
  const result = Atomics.load(region.words, at + Seat.result);
  if (result !== refusedResult) return result;
  throw errorOf(readText(region.bytes, at + Seat.text, seatTextBytes));
}

/** The refusal that a text of `refusalText` tells. */
export function errorOf(text: string): BusError {
  const [code = '', ...words] = text.split(' ');
  if (Object.hasOwn(busErrorStatus, code)) {
    // Just looked at: it is one of the codes.
    return new BusError(code as BusErrorCode, words.join(' '));
  }
  return new BusError('IB_CORRUPT', `the router refused without a code: ${text}`);
}

/** A refusal as a seat's text tells it: the code, then as much of the message as there is room for. */
export function refusalText(error: BusError): string {
  let text = `${error.code} ${error.message}`;
  while (textBytes(text) > seatTextBytes) text = text.slice(0, -1);
  return text;
}

/** For the router: what seats ask, put together from parts. */
export class Requests {
  readonly #region: Region;
  readonly #parts = new Map<number, string>();

  constructor(region: Region) {
    this.#region = region;
  }

  /** Whether the seat waits for an answer. */
  isWaiting(at: number): boolean {
    const { words } = this.#region;
    return Atomics.load(words, at + Seat.requestSequence) !== Atomics.load(words, at + Seat.replySequence);
  }

  /** Takes the part that waits; the request once it is whole, before that undefined, and the part is answered. */
  take(at: number): Request | undefined {
    const operation = decoderOf.get(this.#region.words[at + Seat.operation] ?? 0);
    const part = readText(this.#region.bytes, at + Seat.text, seatTextBytes);
    const text = (this.#parts.get(at) ?? '') + part.slice(1);
    if (operation === undefined || (part[0] !== more && part[0] !== last)) {
      this.#parts.delete(at);
      this.refuse(at, new BusError('IB_BAD_CONFIG', 'no such request'));
      return undefined;
    }
    if (part[0] === more) {
      this.#parts.set(at, text);
      this.answer(at, 0);
      return undefined;
    }
    this.#parts.delete(at);
    return { operation, text };
  }

  /** Forgets the parts of a seat that has another holder. */
  forget(at: number): void {
    this.#parts.delete(at);
  }

  answer(at: number, result: number, text = ''): void {
    const { words, bytes } = this.#region;
    this.#region.step(Point.reply);
    writeText(bytes, at + Seat.text, seatTextBytes, text);
    words[at + Seat.result] = result;
    Atomics.store(words, at + Seat.replySequence, Atomics.load(words, at + Seat.requestSequence));
  }

  refuse(at: number, error: BusError): void {
    this.answer(at, refusedResult, refusalText(error));
  }
}
