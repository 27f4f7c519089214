import type { ProcessIdentity } from '../../host/sharedMemory.ts';
import { cursorWords, LaneCursor, type Layout, ProducerCursor, Seat, seatWords } from './layout.ts';

export type SeatKindName = 'producer' | 'consumer';

/** Where one seat's words lie. */
export interface SeatPlace {
  readonly kind: SeatKindName;
  /** Among those of its kind, from 0. */
  readonly number: number;
  /** Among all, producers first: what its liveness lock and commands count by. */
  readonly index: number;
  /** Its first word. */
  readonly at: number;
  /** First word of its cursors. */
  readonly cursors: number;
  /** The word that is waited on by its holder. */
  readonly wake: number;
}

/** The seat of producer or lane `number`. */
export function seatPlace(layout: Layout, kind: SeatKindName, number: number): SeatPlace {
  if (kind === 'producer') {
    const cursors = layout.producerCursors + number * cursorWords;
    const at = layout.producerSeats + number * seatWords;
    return { kind, number, index: number, at, cursors, wake: cursors + ProducerCursor.wake };
  }
  const cursors = layout.laneCursors + number * cursorWords;
  const at = layout.laneSeats + number * seatWords;
  return { kind, number, index: layout.sizes.producers + number, at, cursors, wake: cursors + LaneCursor.wake };
}

/** All seats of one kind, in order. */
export function seatPlaces(layout: Layout, kind: SeatKindName): readonly SeatPlace[] {
  const count = kind === 'producer' ? layout.sizes.producers : layout.sizes.lanes;
  return Array.from({ length: count }, (_, number) => seatPlace(layout, kind, number));
}

/**
 * Who the seat says holds it. By atomic loads: whoever finds the same word in the seat before and after it has the words of that holder, and none of
 * the next one.
 */
export function holderOf(words: Int32Array, at: number): ProcessIdentity {
  const word = (field: number): number => Atomics.load(words, at + field) >>> 0;
  return {
    pid: word(Seat.pid),
    startTicks: word(Seat.startTicks) + word(Seat.startTicks + 1) * 2 ** 32,
    pidSpace: word(Seat.pidSpace),
  };
}

/** Writes who holds the seat; only its claimer may. Atomically, since somebody may look for whom the seat belonged to before. */
export function writeHolder(words: Int32Array, at: number, holder: ProcessIdentity): void {
  Atomics.store(words, at + Seat.pid, holder.pid);
  Atomics.store(words, at + Seat.startTicks, holder.startTicks | 0);
  Atomics.store(words, at + Seat.startTicks + 1, Math.floor(holder.startTicks / 2 ** 32));
  Atomics.store(words, at + Seat.pidSpace, holder.pidSpace | 0);
}
