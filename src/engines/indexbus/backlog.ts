/** What a lane has that waits for the next consumer of its group, and who had it; a word, since the seat's own words are the next holder's. */
export interface Backlog {
  /** Record of the subscription. */
  readonly record: number;
  /** It was read by view. */
  readonly view: boolean;
  /** Its consumer is proven dead. */
  readonly dead: boolean;
}

const Bit = { there: 1, view: 2, dead: 4 } as const;
const recordShift = 8;

/** Never 0, which stands for none. */
export function packBacklog({ record, view, dead }: Backlog): number {
  return Bit.there | (view ? Bit.view : 0) | (dead ? Bit.dead : 0) | (record << recordShift);
}

/** Undefined for 0. */
export function unpackBacklog(word: number): Backlog | undefined {
  if (word === 0) return undefined;
  return { record: word >>> recordShift, view: (word & Bit.view) !== 0, dead: (word & Bit.dead) !== 0 };
}
