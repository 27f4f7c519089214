import { descriptorWords, topicOf } from './descriptor.ts';
import { BusError } from './errors.ts';
import { ProducerCursor, Seat } from './layout.ts';
import { matches } from './patterns.ts';
import { stateOf } from './seat.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { sourceLeft } from './sourceLeft.ts';
import { readSubscription } from './subscriptions.ts';
import { readTopics } from './topics.ts';

/** A source whose next message no consumer wants. */
export interface UnwantedSource {
  readonly producer: number;
  /** Of its next message. */
  readonly topic: string;
  /** Messages that it has, whoever wants them. */
  readonly left: number;
}

/** The sources of a segment that `no_subscriber: hold` holds up now, in the order of their seats. */
export function unwantedSources(segment: Segment): readonly UnwantedSource[] {
  const { words, region, layout } = segment;
  const wanted = wantedPatterns(segment);
  const names = [...readTopics(region, layout).keys()];
  return seatPlaces(layout, 'producer').flatMap((place): UnwantedSource[] => {
    const { number: producer, cursors } = place;
    const left = sourceLeft(words, place) ?? 0;
    if (left === 0) return [];
    const head = Atomics.load(words, cursors + ProducerCursor.sourceHead);
    const entry = layout.sources + producer * layout.sourceStep + (head & (layout.sizes.slots - 1)) * descriptorWords;
    const topic = names[topicOf(words[entry + 2] ?? 0)];
    if (topic === undefined || wanted.some((pattern) => matches(pattern, topic))) return [];
    return [{ producer, topic, left }];
  });
}

/** Patterns of the subscriptions that somebody reads. */
function wantedPatterns({ words, region, layout }: Segment): readonly string[] {
  return seatPlaces(layout, 'consumer').flatMap(({ at }) => {
    const state = stateOf(Atomics.load(words, at));
    if (state !== 'live' && state !== 'leaving') return [];
    return readSubscription(region, layout, words[at + Seat.subscription] ?? 0)?.subscription.topics ?? [];
  });
}

/** A roll would lose what sources hold for the first consumer that wants it, who comes to the next generation. Throws IB_UNSAFE_CHANGE. */
export function checkNothingHeld(segment: Segment): void {
  const held = unwantedSources(segment)[0];
  if (held === undefined) return;
  const { producer, topic, left } = held;
  throw new BusError(
    'IB_UNSAFE_CHANGE',
    `producer ${producer} has ${left} messages that wait, the first of topic ${topic}, which nobody reads: start a consumer of it first`,
    { expected: 'no messages that nobody wants', got: `${left} of producer ${producer}` },
  );
}
