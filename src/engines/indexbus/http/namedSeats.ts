import { isOneHolder } from '../carrySettings.ts';
import { Seat, seatNameBytes } from '../layout.ts';
import { seatAddress } from '../seatAddress.ts';
import { type SeatKindName, type SeatPlace, seatPlaces } from '../seatPlaces.ts';
import type { Serving } from '../serving.ts';
import { readText } from '../texts.ts';
import { seatState } from '../views.ts';
import { Refusal, unknown } from './answer.ts';

/** A seat, and the generation of the segment that it is in. */
export interface NamedSeat {
  readonly serving: Serving;
  readonly place: SeatPlace;
}

/**
 * The seat of a path, where its holder is: by its number, also with its generation, or by the name of whoever has it. All digits are a number, whatever
 * participants call themselves. Of several seats the one that lives is meant: who was fenced may have come back under its name.
 *
 * @param generations what is served, and what a roll builds
 * @throws Refusal 404 with the seats that there are, 409 where several live that are meant
 */
export function seatOf(generations: readonly Serving[], kind: SeatKindName, text = ''): NamedSeat {
  const what = kind === 'producer' ? 'producer' : 'lane';
  const all = generations.flatMap((serving) =>
    seatPlaces(serving.segment.layout, kind).map((place): NamedSeat => ({ serving, place })),
  );
  const meant = all
    .filter((seat) => isCalled(seat, text))
    .map((seat) => (isLive(seat) ? seat : (movedTo(seat, generations) ?? seat)))
    .filter((seat, at, found) => stateOf(seat) !== 'free' && found.findIndex((it) => isSame(it, seat)) === at);
  // Who is about to move lives in both: the former seat stands for both.
  const isLater = (seat: NamedSeat): boolean =>
    meant.some((it) => isLive(it) && isSame(movedTo(it, generations), seat));
  const live = meant.filter((seat) => isLive(seat) && !isLater(seat));
  const [one = meant[0]] = live;
  const told = ({ serving: { segment }, place }: NamedSeat): string => {
    const name = nameOf({ segment, place });
    const address = seatAddress(place.number, generations.length > 1 ? segment.generation : undefined);
    return name === '' ? address : `${address} (${name})`;
  };
  if (one === undefined) throw unknown(what, text, all.filter((seat) => stateOf(seat) !== 'free').map(told));
  if (live.length < 2) return one;
  const several = live.map(told).join(', ');
  const message = `${JSON.stringify(text)} may be several ${what}s: say which of ${several}`;
  throw new Refusal(409, 'AMBIGUOUS', message, { expected: `one of ${several}`, got: text });
}

/** The seat that its holder has taken in a later generation; undefined: it has taken none. */
export function movedTo({ serving, place }: NamedSeat, generations: readonly Serving[]): NamedSeat | undefined {
  const { words, generation } = serving.segment;
  for (const later of generations) {
    const { segment } = later;
    if (segment.generation <= generation) continue;
    const taken = seatPlaces(segment.layout, place.kind).find(
      (it) => seatState(segment, it) === 'live' && isOneHolder(words, place.at, segment.words, it.at),
    );
    if (taken !== undefined) return { serving: later, place: taken };
  }
  return undefined;
}

function isCalled({ serving: { segment }, place }: NamedSeat, text: string): boolean {
  const [, number, generation] = /^(\d+)(?:@(\d+))?$/.exec(text) ?? [];
  if (number === undefined) return text === nameOf({ segment, place });
  return number === String(place.number) && (generation ?? String(segment.generation)) === String(segment.generation);
}

function isSame(one: NamedSeat | undefined, other: NamedSeat): boolean {
  return one?.serving === other.serving && one.place.number === other.place.number;
}

const stateOf = ({ serving, place }: NamedSeat) => seatState(serving.segment, place);
const isLive = (seat: NamedSeat) => stateOf(seat) === 'live';

function nameOf({ segment, place }: Pick<Serving, 'segment'> & { readonly place: SeatPlace }): string {
  return readText(segment.bytes, place.at + Seat.name, seatNameBytes);
}
