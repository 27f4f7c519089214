import type { SlotPlaces } from '../../../checkers/indexbus/events.ts';
import { LaneCursor, ProducerCursor, Seat } from '../../../engines/indexbus/layout.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import type { BusBook } from './witness/busBook.ts';

/**
 * Where the slots of each producer's pool are. A living producer says how many it has; those must be all that are nowhere else.
 *
 * @param creditOf slots that the holder of a seat has at home, by its own book; undefined where nobody knows
 */
export function slotPlaces({ reader }: BusBook, creditOf: (producer: number) => number | undefined): SlotPlaces[] {
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
    const credit = tells ? creditOf(producer) : undefined;
    const returning =
      credit === undefined
        ? []
        : [...reader.between(cursor('returnHead'), cursor('returnTail'))].map((at) => reader.returning(seat, at));
    const elsewhere = new Set([...source, ...inLanes, ...returning]);
    const rest = Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !elsewhere.has(slot));
    // One that it has and that is also elsewhere shows as a slot that does not exist.
    const home = credit === undefined ? rest : credit > rest.length ? [...rest, -1] : rest.slice(0, credit);
    return { producer, slots, home, reserved: [], source, lanes: [...inLanes], returning };
  });
}
