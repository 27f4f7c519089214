import type { SlotPlaces } from '../../../checkers/indexbus/events.ts';
import { LaneCursor, ProducerCursor, Seat } from '../../../engines/indexbus/layout.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import type { BusBook } from './witness/busBook.ts';

/** How many slots a producer has itself. */
export interface OwnSlots {
  readonly home: number;
  readonly reserved: number;
  /** In its source behind the tail: the router does not know of them. */
  readonly unflushed: number;
}

/**
 * Where the slots of each producer's pool are. A living producer says how many it has; those must be all that are nowhere else.
 *
 * @param countsOf slots that the holder of a seat has at home, and has reserved, by its own book; undefined where nobody knows
 */
export function slotPlaces({ reader }: BusBook, countsOf: (producer: number) => OwnSlots | undefined): SlotPlaces[] {
  const { producers, lanes, slots } = reader.layout.sizes;
  return Array.from({ length: producers }, (_, seat): SlotPlaces => {
    const cursor = (field: 'sourceHead' | 'sourceTail' | 'returnHead' | 'returnTail'): number =>
      reader.producerCursor(seat, ProducerCursor[field]);
    const source = [...reader.between(cursor('sourceHead'), cursor('sourceTail'))].map(
      (at) => reader.source(seat, at).slot,
    );
    const inLanes = new Set<number>();
    for (let lane = 0; lane < lanes; lane += 1) {
      const from = reader.laneCursor(lane, LaneCursor.reclaimed);
      for (const at of reader.between(from, reader.laneCursor(lane, LaneCursor.tail))) {
        const entry = reader.entry(lane, at);
        if (entry.owner === seat) inLanes.add(entry.slot);
      }
    }
    const producer = reader.producer(seat);
    // Below a limit of the operator's a producer's credit does not tell how many slots it has.
    const tells = reader.producerState(seat) === SeatState.live && reader.producerSeat(seat, Seat.creditLimit) === 0;
    const own = tells ? countsOf(producer) : undefined;
    const returning =
      own === undefined
        ? []
        : [...reader.between(cursor('returnHead'), cursor('returnTail'))].map((at) => reader.returning(seat, at));
    const tail = cursor('sourceTail');
    const unflushed = [...reader.between(tail, (tail + (own?.unflushed ?? 0)) | 0)];
    source.push(...unflushed.map((at) => reader.source(seat, at).slot));
    const elsewhere = new Set([...source, ...inLanes, ...returning]);
    const rest = Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !elsewhere.has(slot));
    if (own === undefined) return { producer, slots, home: rest, reserved: [], source, lanes: [...inLanes], returning };
    const { home, reserved } = own;
    // One that it has and that is also elsewhere shows as a slot that does not exist.
    const missing = home + reserved > rest.length ? [-1] : [];
    return {
      producer,
      slots,
      home: [...rest.slice(0, home), ...missing],
      reserved: rest.slice(home, home + reserved),
      source,
      lanes: [...inLanes],
      returning,
    };
  });
}
