import type { MessageName } from './events.ts';

/**
 * What is known of messages, by their names. Producers number their messages from 0 without a gap, so a producer's are an array: a check that looks at every
 * message of a run several times spends most of its time here.
 */
export class ByMessage<T> {
  readonly #producers = new Map<number, (T | undefined)[]>();
  #last: (T | undefined)[] = [];
  #lastProducer: number | undefined;
  size = 0;

  #of(producer: number): (T | undefined)[] {
    if (producer === this.#lastProducer) return this.#last;
    let known = this.#producers.get(producer);
    if (known === undefined) {
      known = [];
      this.#producers.set(producer, known);
    }
    this.#lastProducer = producer;
    this.#last = known;
    return known;
  }

  get({ producer, sequence }: MessageName): T | undefined {
    return this.#of(producer)[sequence];
  }

  set({ producer, sequence }: MessageName, value: T): void {
    const known = this.#of(producer);
    if (known[sequence] === undefined) this.size += 1;
    known[sequence] = value;
  }
}

/** The book of a lane or a group, made when it is first asked for. */
export function bookOf<T>(books: Map<number, ByMessage<T>>, of: number): ByMessage<T> {
  let book = books.get(of);
  if (book === undefined) {
    book = new ByMessage();
    books.set(of, book);
  }
  return book;
}
