import type { Host } from '../../host/host.ts';
import { Counters } from './counters.ts';
import { noFormerCounts } from './formerCounts.ts';
import { LaneAges } from './laneAges.ts';
import type { DetachReason } from './layout.ts';
import { SeatProber } from './liveness.ts';
import { countedByLoops, type LoopStats } from './loopStats.ts';
import type { Probed } from './probing.ts';
import { Recent } from './recent.ts';
import type { TuningNote } from './routerThread.ts';

/** Why consumers left, with how many. */
export type DetachCounts = Record<Exclude<keyof typeof DetachReason, 'none'>, number>;

/** A segment that this process routes. */
export interface Serving extends Probed {
  readonly counters: Counters;
  /** What the loop has counted, and those of former generations before it. */
  readonly loops: () => LoopStats;
  readonly recent: Recent;
  readonly ages: LaneAges;
  readonly tuning: readonly TuningNote[];
  /** Share of the last second's polls that had work. */
  busyRatio: number;
  readonly origin: 'made' | 'found' | 'replaced';
}

/** A segment with its router, and what was found of its seats if they were looked at already. */
export type BegunServing = Pick<Serving, 'segment' | 'runner' | 'origin' | 'tuning'> &
  Partial<Pick<Serving, 'findings'>>;

/**
 * A segment as it is served from now on.
 *
 * @param tallies of the process: what its router has told before it is served counts
 * @param former the generation that was served before: what it has counted goes on
 */
export function servingOf(
  host: Host,
  { segment, runner, origin, tuning, findings }: BegunServing,
  tallies: NodeTallies,
  former?: Serving,
): Serving {
  const detaches = Object.values(tallies.detaches).reduce((sum, count) => sum + count, 0);
  const counters = new Counters(segment, host.clock, former?.counters.counted() ?? { ...noFormerCounts, detaches });
  const loopsBefore = former?.loops();
  const recent = new Recent(counters, segment.layout.sizes);
  recent.tick(host.clock.now());
  return {
    segment,
    runner,
    origin,
    counters,
    loops: () => countedByLoops(runner.stats, loopsBefore),
    recent,
    ages: new LaneAges(segment),
    prober: new SeatProber(segment, host.clock, host.telemetry),
    findings: findings ?? new Map(),
    tuning: [...segment.region.tuning(), ...tuning],
    busyRatio: 0,
  };
}

/** What happened to segments since the process began. */
export interface NodeTallies {
  readonly detaches: DetachCounts;
  readonly recoveries: { none: number; finished: number };
  readonly retired: { corrupt: number; rolled: number };
}
