import type { BusNode } from '../busNode.ts';
import { seatPlaces } from '../seatPlaces.ts';
import type { Serving } from '../serving.ts';
import { laneView, producerView, seatState } from '../views.ts';

/** Where work piles up. */
export type Side = 'downstream' | 'internal' | 'upstream' | 'none';
export const sides: readonly Side[] = ['downstream', 'internal', 'upstream', 'none'];

/** Which side is the bottleneck, by what, and what an operator does next. */
export interface Bottleneck {
  readonly side: Side;
  readonly evidence: readonly string[];
  readonly next: readonly string[];
}

/** Share of its room from which a queue counts as full. */
const fullShare = 0.8;
/** Share of polls with work from which the router counts as saturated. */
const busyShare = 0.9;

/** What a verdict rests on. */
export interface BottleneckFacts {
  readonly lanes: readonly {
    readonly lane: number;
    readonly name: string;
    readonly depth: number;
    /** The stricter of capacity and credit limit. */
    readonly limit: number;
    /** Drops for want of room since the last look. */
    readonly refused: number;
  }[];
  readonly sources: readonly {
    readonly producer: number;
    readonly name: string;
    readonly depth: number;
    readonly slots: number;
    /** Waits for credit, and publishes refused, since the last look. */
    readonly waits: number;
  }[];
  readonly busyRatio: number;
}

/** The verdict, pure: lanes first, since a full lane makes everything before it full too. */
export function judgeBottleneck({ lanes, sources, busyRatio }: BottleneckFacts): Bottleneck {
  const slow = lanes.filter(({ depth, limit, refused }) => refused > 0 || (limit > 0 && depth >= fullShare * limit));
  if (slow.length > 0) {
    return {
      side: 'downstream',
      evidence: slow.map(({ lane, name, depth, limit, refused }) => {
        const drops = refused > 0 ? `, ${refused} refused since the last look` : '';
        return `lane ${lane} (${name}) has ${depth} of ${limit} messages${drops}`;
      }),
      next: ['hotfire indexbus lanes', `hotfire indexbus lane set ${slow[0]?.lane} capacity=N`],
    };
  }
  const full = sources.filter(({ depth, slots }) => depth >= fullShare * slots);
  const fullTexts = full.map(
    ({ producer, name, depth, slots }) => `source ${producer} (${name}) has ${depth} of ${slots}`,
  );
  const busy = `the router has work in ${Math.round(busyRatio * 100)} % of its polls`;
  if (full.length > 0 && busyRatio >= busyShare) {
    return {
      side: 'internal',
      evidence: [busy, ...fullTexts],
      next: ['hotfire doctor', 'a second segment with its own router'],
    };
  }
  const waiting = sources.filter(({ waits }) => waits > 0);
  if (waiting.length > 0 || full.length > 0) {
    return {
      side: 'upstream',
      evidence: [
        ...fullTexts,
        ...waiting.map(({ producer, name, waits }) => `producer ${producer} (${name}) lacked credit ${waits} times`),
        busy,
      ],
      next: ['hotfire indexbus producers', 'hotfire indexbus roll slots_per_producer=N'],
    };
  }
  return { side: 'none', evidence: [busy], next: [] };
}

/** Looks at a segment and judges. What has come since the last look counts as now. */
export function bottleneckOf(node: BusNode, serving: Serving): Bottleneck {
  return judgeBottleneck(factsOf(node, serving));
}

function factsOf(node: BusNode, serving: Serving): BottleneckFacts {
  const { segment, recent } = serving;
  const { layout } = segment;
  const taken = (kind: 'producer' | 'consumer') =>
    seatPlaces(layout, kind).filter((place) => seatState(segment, place) !== 'free');
  return {
    lanes: taken('consumer').map(({ number }) => {
      const { name, depth, capacity, credit_limit: credit } = laneView(serving, number, {}, node.host.clock.now());
      const limit = credit === 'none' ? capacity : Math.min(capacity, credit);
      return { lane: number, name, depth, limit, refused: recent.refused(number) };
    }),
    sources: taken('producer').map(({ number }) => {
      const { name, depth } = producerView(serving, number, {});
      return { producer: number, name, depth, slots: layout.sizes.slots, waits: recent.waits(number) };
    }),
    busyRatio: serving.busyRatio,
  };
}
