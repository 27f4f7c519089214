import { seatOf } from './reader.ts';

export type Kind = 'producer' | 'lane';

/** Who has, or had, a seat. */
export interface Holder {
  readonly kind: Kind;
  readonly number: number;
  readonly pid: number;
  /** Name that it gave itself. */
  readonly name: string;
  /** What the words of the seat told when it came: they go on counting from there. */
  readonly base: readonly number[];
  /** Tail of a lane then. */
  readonly baseTail: number;
  /** Head of a lane then; undefined where it has messages of the lane that it takes over. */
  readonly baseHead: number | undefined;
  /** It can write no more. */
  over: boolean;
  /** Its process is dead; a thread of it may still be on its way out while it has its lock. */
  dead: boolean;
  fenced: boolean;
  /** It is dead, and its router has ended its lane. */
  settled: boolean;
  /** It has messages of the lane that it takes over, and its seat is not live yet. */
  isTaking: boolean;
}

/** Whether an incarnation has the seat right after, or later than, another one. Holders are asked in the order in which they came. */
function isSuccessor(later: number, former: number): boolean {
  return seatOf(later) === seatOf(former) && later >>> 6 > former >>> 6;
}

/** Who had the seat next; undefined: nobody did. @param holders in the order in which they came */
export function successorOf(holders: readonly Holder[], { kind, number }: Holder): Holder | undefined {
  return holders.find((it) => it.kind === kind && it.number !== number && isSuccessor(it.number, number));
}
