import {
  cursorWords,
  Header,
  LaneCursor,
  laneCounters,
  ProducerCursor,
  Redo,
} from '../../../../engines/indexbus/layout.ts';
import type { BusBook } from './busBook.ts';

const laneWords = [LaneCursor.tail, LaneCursor.reclaimed, ...laneCounters.map((name) => LaneCursor[name])];
const producerWords = [ProducerCursor.sourceHead, ProducerCursor.returnTail, ProducerCursor.noRoute] as const;

/**
 * What the counts and tails of a segment are to be once a router has taken it over: as they stand when it begins, and with the last commit if that was
 * sealed. A router that dies meanwhile and the one after it are to leave the same.
 */
export class RecoveryTwin {
  readonly #book: BusBook;
  #expected: ReadonlyMap<number, number> | undefined;

  constructor(book: BusBook) {
    this.#book = book;
  }

  /** A router begins to take the segment over, and has written nothing. */
  begins(): void {
    // As long as none has raised the epoch, each may choose anew where the cursors of the unused segment begin.
    if (this.#book.reader.word(Header.routerEpoch) === 0) this.#expected = undefined;
    this.#expected ??= this.#asUncrashed();
  }

  /** It has finished what its predecessors left. */
  ends(): void {
    const expected = this.#expected;
    this.#expected = undefined;
    // Nobody knows what a fault has written there.
    if (expected === undefined || this.#book.isDamaged) return;
    const { reader } = this.#book;
    const differing = [...expected].flatMap(([word, twin]) => {
      const is = reader.word(word);
      return is === twin ? [] : [{ word, is, twin }];
    });
    this.#book.put({ event: 'recovered', differing });
  }

  #asUncrashed(): ReadonlyMap<number, number> {
    const { reader } = this.#book;
    const { layout } = reader;
    const { producers, lanes } = layout.sizes;
    const words = new Map<number, number>();
    const note = (at: number, fields: readonly number[]): void => {
      for (const field of fields) words.set(at + field, reader.word(at + field));
    };
    for (let seat = 0; seat < producers; seat += 1) note(layout.producerCursors + seat * cursorWords, producerWords);
    for (let lane = 0; lane < lanes; lane += 1) note(layout.laneCursors + lane * cursorWords, laneWords);
    if (!reader.isHalfApplied) return words;
    const count = reader.word(layout.redo + Redo.count);
    for (let index = 0; index < count; index += 1) {
      const at = layout.redo + Redo.pairs + index * 2;
      const word = reader.word(at);
      if (words.has(word)) words.set(word, reader.word(at + 1));
    }
    return words;
  }
}
