import type { RandomStream } from '../../host/random.ts';
import type { PlayedRun, SceneDriver, Schedule } from './driver.ts';
import type { Departure, Kill } from './scene.ts';

export interface Explored {
  readonly runs: number;
  /** Whether every schedule within the bound was played. */
  readonly complete: boolean;
  /** Decisions of the longest run. */
  readonly longest: number;
  /** The first run after which something did not hold. */
  readonly failed: PlayedRun | undefined;
}

/** A schedule from which others depart once more. */
export interface OpenSchedule {
  readonly departures: readonly Departure[];
  /** Those of its departures that are preemptions. */
  readonly preemptions: number;
}

export interface ExploreBounds {
  /** Preemptions of a run: switches away from somebody who could go on. */
  readonly preemptions: number;
  readonly runsMax: number;
  readonly kills?: readonly Kill[];
  /** Only schedules that begin like this one, itself among them: a part of the whole set. Default all. */
  readonly under?: OpenSchedule;
  /** Whether a run that threw or got stuck has failed even though nothing else shows. Default true. */
  readonly strict?: boolean;
}

/**
 * Plays every schedule with up to so many preemptions: iterative context bounding (Musuvathi and Qadeer, PLDI 2007). A schedule is where it departs from
 * the run in which everybody goes on until it ends or sleeps; from each run follow those that depart once more, later. Ends at the first run that
 * fails.
 */
export function exploreAll(driver: SceneDriver, bounds: ExploreBounds): Explored {
  const open: OpenSchedule[] = [bounds.under ?? root];
  let runs = 0;
  let longest = 0;
  while (open.length > 0) {
    if (runs >= bounds.runsMax) return { runs, complete: false, longest, failed: undefined };
    const here = open.pop() ?? root;
    const run = driver.play(scheduleOf(here, bounds));
    runs += 1;
    longest = Math.max(longest, run.decisions);
    if (hasFailed(run, bounds)) return { runs, complete: false, longest, failed: run };
    open.push(...departing(driver, here, run, bounds.preemptions));
  }
  return { runs, complete: true, longest, failed: undefined };
}

const root: OpenSchedule = { departures: [], preemptions: 0 };

function scheduleOf({ departures }: OpenSchedule, { kills }: Pick<ExploreBounds, 'kills'>): Schedule {
  return { departures, ...(kills === undefined ? {} : { kills }) };
}

/** The schedules that go like `from` and depart once more, later; the driver's last run must be of `from`. */
function departing(driver: SceneDriver, from: OpenSchedule, run: PlayedRun, most: number): OpenSchedule[] {
  const { departures, preemptions } = from;
  const found: OpenSchedule[] = [];
  for (let at = (departures.at(-1)?.at ?? -1) + 1; at < run.decisions; at += 1) {
    const { who, runnable, free } = driver.decision(at);
    const cost = preemptions + (free ? 0 : 1);
    if (cost > most) continue;
    const otherwise = free ? 31 - Math.clz32(runnable & -runnable) : who;
    for (let to = 0; to < driver.scene.participants.length; to += 1) {
      if (to !== otherwise && (runnable >>> to) & 1)
        found.push({ departures: [...departures, { at, to }], preemptions: cost });
    }
  }
  return found;
}

/** The parts of a whole set: the schedule without a departure, whose own part ends with it, and one part each first departure. */
export interface Parts {
  /** The run without a departure. */
  readonly first: PlayedRun;
  /** To be explored each, as `ExploreBounds.under`. */
  readonly parts: readonly OpenSchedule[];
}

/** Cuts the set of schedules up to a bound into parts that can be explored one by one, in any order, by anyone: with the first run they are all of it. */
export function partsOf(driver: SceneDriver, bounds: Pick<ExploreBounds, 'preemptions' | 'kills'>): Parts {
  const first = driver.play(scheduleOf(root, bounds));
  return { first, parts: departing(driver, root, first, bounds.preemptions) };
}

function hasFailed(run: PlayedRun, bounds: ExploreBounds): boolean {
  return run.violations.length > 0 || ((bounds.strict ?? true) && run.errors.length + run.stuck.length > 0);
}

export interface SeededBounds extends Omit<ExploreBounds, 'preemptions' | 'runsMax'> {
  readonly runs: number;
  /** Ordering constraints that a bug may need: a bug of this depth is found with probability ≥ 1 / (n · k^(depth − 1)) a run. Default 3. */
  readonly depth?: number;
}

/**
 * Plays runs by random priorities that fall at `depth - 1` random steps: probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and Nagarakatte,
 * ASPLOS 2010). Ends at the first run that fails.
 */
export function exploreSeeded(driver: SceneDriver, random: RandomStream, bounds: SeededBounds): Explored {
  const depth = bounds.depth ?? 3;
  const count = driver.scene.participants.length;
  let longest = 1;
  for (let runs = 1; runs <= bounds.runs; runs += 1) {
    const order = random.shuffle(Array.from({ length: count }, (_, who) => depth + who));
    const falls = new Set<number>();
    for (let fall = 1; fall < depth; fall += 1) falls.add(random.integer(0, longest));
    const departures = [...falls].sort((a, b) => a - b).map((at) => ({ at, to: 0 }));
    const run = driver.play({
      departures,
      priorities: order,
      ...(bounds.kills === undefined ? {} : { kills: bounds.kills }),
    });
    longest = Math.max(longest, run.decisions);
    if (hasFailed(run, { ...bounds, preemptions: 0, runsMax: 0 }))
      return { runs, complete: false, longest, failed: run };
  }
  return { runs: bounds.runs, complete: false, longest, failed: undefined };
}
