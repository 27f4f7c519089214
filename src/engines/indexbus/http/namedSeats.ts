import { Seat, seatNameBytes } from '../layout.ts';
import { type SeatKindName, type SeatPlace, seatPlaces } from '../seatPlaces.ts';
import type { Segment } from '../segment.ts';
import { readText } from '../texts.ts';
import { seatState } from '../views.ts';
import { Refusal, unknown } from './answer.ts';

/**
 * The seat of a path: by its number, or by the name of whoever has it. All digits are a number, whatever participants call themselves. Of several seats of a
 * name the one that lives is meant: who was fenced may have come back under it.
 *
 * @throws Refusal 404 with those that there are, 409 where several live that have the name
 */
export function seatOf(segment: Segment, kind: SeatKindName, text = ''): number {
  const what = kind === 'producer' ? 'producer' : 'lane';
  const held = seatPlaces(segment.layout, kind).filter((place) => seatState(segment, place) !== 'free');
  const isMeant = (place: SeatPlace): boolean =>
    /^\d+$/.test(text) ? text === String(place.number) : text === nameOf(segment, place);
  const told = (place: SeatPlace): string => {
    const name = nameOf(segment, place);
    return name === '' ? String(place.number) : `${place.number} (${name})`;
  };
  const meant = held.filter(isMeant);
  const live = meant.filter((place) => seatState(segment, place) === 'live');
  const [one = meant[0]] = live;
  if (one === undefined) throw unknown(what, text, held.map(told));
  if (live.length < 2) return one.number;
  const several = live.map(told).join(', ');
  const message = `several ${what}s are called ${JSON.stringify(text)}: say the number of one of ${several}`;
  throw new Refusal(409, 'AMBIGUOUS', message, { expected: `one of ${several}`, got: text });
}

function nameOf({ bytes }: Segment, { at }: SeatPlace): string {
  return readText(bytes, at + Seat.name, seatNameBytes);
}
