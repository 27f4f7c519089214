import { mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';
import { type Element, type ElementStory, type Observation, storiesOf } from './operations.ts';

/** Evidence of `prefix`. */
export interface PrefixBreak {
  readonly kind: 'hole' | 'order';
  /** `hole`: the missing one; `order`: the one that stands before the other, but belongs behind it. */
  readonly element: Element;
  /** The one that survived behind the hole; or that belongs first. */
  readonly other: Element;
  readonly seenIn: string;
  /** How it is known which comes first: the answers gave positions, one append had ended before the other began, or an earlier look showed it. */
  readonly knownBy: 'position' | 'time' | 'observation';
}

/** Where an element belongs, as far as anybody was told. */
interface Place {
  readonly element: Element;
  readonly operation: Operation;
  /** The answer of `append`, if it was a number. */
  readonly position: number | undefined;
  /** The order of the first call that may have removed it; Infinity: none. */
  readonly removedFrom: number;
}

/**
 * What survived of a log is a prefix of it, in its order: nothing that was acknowledged (or seen) is missing while something
 * behind it is there, and no two stand the wrong way round. A log may lose its end, if its contract says so; a durable one may
 * not, which is the check `durable`. Which of two comes first is known where `append` answers a position, where one had been
 * answered before the other began, and from an earlier observation. What somebody may have removed is no hole; elements that
 * were appended more than once are passed over.
 */
export function checkPrefix(operations: readonly Operation[], looks: readonly Observation[]): Violation[] {
  const observations = [...looks].sort((a, b) => (a.toOrder < b.toOrder ? -1 : a.toOrder > b.toOrder ? 1 : 0));
  const places = placesOf(storiesOf(operations));
  const firstSeen = firstSightings(observations);
  return observations.flatMap((observation) => {
    const before = observations.findLast(({ toOrder }) => toOrder < observation.fromOrder);
    /** The last look before this one that showed the element. Few elements are ever missing once they were seen. */
    const lastLookAt = (element: Element): Observation | undefined =>
      (firstSeen.get(element) ?? Number.POSITIVE_INFINITY) < observation.fromOrder
        ? observations.findLast(
            ({ elements, toOrder }) => toOrder < observation.fromOrder && elements.includes(element),
          )
        : undefined;
    return [
      ...holes(places, observation, lastLookAt),
      ...disorder(places, observation),
      ...(before === undefined ? [] : turned(places, observation, before)),
    ];
  });
}

/** When each element was first seen: the end of that look. */
function firstSightings(observations: readonly Observation[]): Map<Element, number> {
  const first = new Map<Element, number>();
  for (const { elements, toOrder } of observations) {
    for (const element of elements) first.set(element, Math.min(first.get(element) ?? toOrder, toOrder));
  }
  return first;
}

function placesOf(stories: ReadonlyMap<Element, ElementStory>): Map<Element, Place> {
  const places = new Map<Element, Place>();
  for (const { element, adds, removes } of stories.values()) {
    const [operation, ...others] = adds.filter(mayHaveHappened);
    if (operation === undefined || others.length > 0) continue;
    const isKnown = operation.outcome === 'ok' && typeof operation.output === 'number';
    const position = isKnown ? (operation.output as number) : undefined; // tested above
    const removedFrom = removes
      .filter(mayHaveHappened)
      .reduce((first, { invokedOrder }) => Math.min(first, invokedOrder), Number.POSITIVE_INFINITY);
    places.set(element, { element, operation, position, removedFrom });
  }
  return places;
}

/** One for each element that is missing before something that is there. */
function holes(
  places: ReadonlyMap<Element, Place>,
  observation: Observation,
  lastLookAt: (element: Element) => Observation | undefined,
): Violation[] {
  const present = new Set(observation.elements);
  const there = observation.elements.flatMap((element) => places.get(element) ?? []);
  const last = there.reduce<Place | undefined>(
    (latest, place) =>
      latest === undefined || place.operation.invokedOrder > latest.operation.invokedOrder ? place : latest,
    undefined,
  );
  const highest = there.reduce<Place | undefined>(
    (top, place) => (place.position !== undefined && place.position > (top?.position ?? -1) ? place : top),
    undefined,
  );
  const found: Violation[] = [];
  for (const place of places.values()) {
    const { element, operation, position, removedFrom } = place;
    if (present.has(element) || removedFrom < observation.toOrder) continue;
    const isAnswered = operation.outcome === 'ok' && operation.completedOrder < observation.fromOrder;
    const behind: [other: Place | undefined, knownBy: PrefixBreak['knownBy']] | undefined = !isAnswered
      ? undefined
      : position !== undefined && (highest?.position ?? -1) > position
        ? [highest, 'position']
        : last !== undefined && last.operation.invokedOrder > operation.completedOrder
          ? [last, 'time']
          : undefined;
    const [other, knownBy] = behind ?? [seenBehind(element, present, places, lastLookAt(element)), 'observation'];
    if (other === undefined) continue;
    found.push(
      broken(observation, [place, other], {
        kind: 'hole',
        element,
        other: other.element,
        seenIn: observation.name,
        knownBy,
      }),
    );
  }
  return found;
}

/** Something that is there now, and stood behind this element in the last look that showed it. */
function seenBehind(
  element: Element,
  present: ReadonlySet<Element>,
  places: ReadonlyMap<Element, Place>,
  earlier: Observation | undefined,
): Place | undefined {
  if (earlier === undefined) return undefined;
  const behind = earlier.elements.slice(earlier.elements.indexOf(element) + 1);
  const other = behind.find((candidate) => present.has(candidate) && places.has(candidate));
  return other === undefined ? undefined : places.get(other);
}

/** One for each pair of neighbours that stood the other way round in the look before. */
function turned(places: ReadonlyMap<Element, Place>, observation: Observation, before: Observation): Violation[] {
  const indexes = new Map(before.elements.map((element, index) => [element, index]));
  const common = observation.elements.flatMap((element) => {
    const [place, index] = [places.get(element), indexes.get(element)];
    return place === undefined || index === undefined ? [] : [{ place, index }];
  });
  return common.flatMap(({ place, index }, at) => {
    const next = common[at + 1];
    if (next === undefined || next.index > index) return [];
    return [
      broken(observation, [next.place, place], {
        kind: 'order',
        element: place.element,
        other: next.place.element,
        seenIn: observation.name,
        knownBy: 'observation',
      }),
    ];
  });
}

/** One for each element that stands before one which belongs before it. */
function disorder(places: ReadonlyMap<Element, Place>, observation: Observation): Violation[] {
  const found: Violation[] = [];
  let earliest: Place | undefined; // of those behind: the one that was answered first
  let lowest: Place | undefined; // of those behind: the one with the lowest position
  for (const element of [...observation.elements].reverse()) {
    const place = places.get(element);
    if (place === undefined) continue;
    const { operation, position } = place;
    const byPosition = position !== undefined && lowest !== undefined && (lowest.position ?? 0) < position;
    const byTime = earliest !== undefined && earliest.operation.completedOrder < operation.invokedOrder;
    const other = byPosition ? lowest : byTime ? earliest : undefined;
    if (other !== undefined) {
      found.push(
        broken(observation, [other, place], {
          kind: 'order',
          element,
          other: other.element,
          seenIn: observation.name,
          knownBy: byPosition ? 'position' : 'time',
        }),
      );
    }
    if (position !== undefined && (lowest === undefined || position < (lowest.position ?? 0))) lowest = place;
    if (
      operation.outcome === 'ok' &&
      (earliest === undefined || operation.completedOrder < earliest.operation.completedOrder)
    ) {
      earliest = place;
    }
  }
  return found;
}

function broken({ operation }: Observation, places: readonly Place[], evidence: PrefixBreak): Violation {
  const { kind, element, other, seenIn } = evidence;
  return {
    check: 'prefix',
    message:
      kind === 'hole'
        ? `${element} is missing in ${seenIn}, but ${other}, which comes after it, is there`
        : `${element} stands before ${other} in ${seenIn}, but ${other} was first`,
    ...(operation === undefined ? {} : { atMs: operation.completedAt }),
    operations: [...places.map((place) => place.operation.id), ...(operation === undefined ? [] : [operation.id])],
    evidence,
  };
}
