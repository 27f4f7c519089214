import type { BusNode } from '../busNode.ts';
import type { RollView } from '../roller.ts';
import { seatAddress } from '../seatAddress.ts';
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
    /** While a roll waits: that of two generations which the lane is in. */
    readonly generation?: number | undefined;
    readonly name: string;
    readonly depth: number;
    /** The stricter of capacity and credit limit. */
    readonly limit: number;
    /** Drops for want of room since the last look. */
    readonly refused: number;
  }[];
  readonly sources: readonly {
    readonly producer: number;
    readonly generation?: number | undefined;
    readonly name: string;
    readonly depth: number;
    readonly slots: number;
    /** Waits for credit, and publishes refused, since the last look. */
    readonly waits: number;
  }[];
  readonly busyRatio: number;
  /** What is under way. */
  readonly roll?: Pick<RollView, 'generation' | 'waits'> | undefined;
}

/** The verdict, pure: a roll that waits for somebody comes first, since nothing that is published meanwhile is routed before it is over. */
export function judgeBottleneck(facts: BottleneckFacts): Bottleneck {
  const { roll } = facts;
  const usual = judgeQueues(facts);
  if (roll === undefined || roll.waits.length === 0) return usual;
  const consumer = roll.waits.find(({ kind }) => kind === 'consumer');
  const waits = roll.waits.map((it) => {
    const who = `${it.kind === 'consumer' ? 'lane' : 'producer'} ${seatAddress(it.seat, it.generation)} (${it.name})`;
    return `a roll to generation ${roll.generation} waits for ${who} since ${Math.round(it.waited_ms / 1_000)} s: ${it.left} messages left`;
  });
  return {
    side: consumer === undefined ? 'upstream' : 'downstream',
    evidence: [...waits, ...usual.evidence],
    next: [
      'hotfire indexbus rolling',
      ...(consumer === undefined
        ? ['hotfire indexbus producers']
        : [`hotfire indexbus detach ${seatAddress(consumer.seat, consumer.generation)}`]),
    ],
  };
}

/** Lanes first, since a full lane makes everything before it full too. */
function judgeQueues({ lanes, sources, busyRatio }: BottleneckFacts): Bottleneck {
  const slow = lanes.filter(({ depth, limit, refused }) => refused > 0 || (limit > 0 && depth >= fullShare * limit));
  if (slow.length > 0) {
    return {
      side: 'downstream',
      evidence: slow.map(({ lane, generation, name, depth, limit, refused }) => {
        const drops = refused > 0 ? `, ${refused} refused since the last look` : '';
        return `lane ${seatAddress(lane, generation)} (${name}) has ${depth} of ${limit} messages${drops}`;
      }),
      next: [
        'hotfire indexbus lanes',
        `hotfire indexbus lane set ${seatAddress(slow[0]?.lane ?? 0, slow[0]?.generation)} capacity=N`,
      ],
    };
  }
  const full = sources.filter(({ depth, slots }) => depth >= fullShare * slots);
  const fullTexts = full.map(
    ({ producer, generation, name, depth, slots }) =>
      `source ${seatAddress(producer, generation)} (${name}) has ${depth} of ${slots}`,
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
        ...waiting.map(
          ({ producer, generation, name, waits }) =>
            `producer ${seatAddress(producer, generation)} (${name}) lacked credit ${waits} times`,
        ),
        busy,
      ],
      next: ['hotfire indexbus producers', 'hotfire indexbus roll slots_per_producer=N'],
    };
  }
  return { side: 'none', evidence: [busy], next: [] };
}

/** Looks at what is served, and at what a roll builds, and judges. What has come since the last look counts as now. Throws as `BusNode.bus` */
export function bottleneckOf(node: BusNode): Bottleneck {
  const { generations } = node;
  const all = generations.map((serving) => queuesOf(node, serving, generations.length > 1));
  return judgeBottleneck({
    lanes: all.flatMap(({ lanes }) => lanes),
    sources: all.flatMap(({ sources }) => sources),
    busyRatio: node.bus.busyRatio,
    roll: node.rolling(),
  });
}

function queuesOf(node: BusNode, serving: Serving, isRolled: boolean): Pick<BottleneckFacts, 'lanes' | 'sources'> {
  const { segment, recent } = serving;
  const { layout } = segment;
  const generation = isRolled ? segment.generation : undefined;
  const taken = (kind: 'producer' | 'consumer') =>
    seatPlaces(layout, kind).filter((place) => seatState(segment, place) !== 'free');
  return {
    lanes: taken('consumer').map(({ number }) => {
      const { name, depth, capacity, credit_limit: credit } = laneView(serving, number, {}, node.host.clock.now());
      const limit = credit === 'none' ? capacity : Math.min(capacity, credit);
      return { lane: number, generation, name, depth, limit, refused: recent.refused(number) };
    }),
    sources: taken('producer').map(({ number }) => {
      const { name, depth } = producerView(serving, number, {});
      return { producer: number, generation, name, depth, slots: layout.sizes.slots, waits: recent.waits(number) };
    }),
  };
}
