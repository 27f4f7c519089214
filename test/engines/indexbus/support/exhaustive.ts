import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type PlayedRun, SceneDriver } from '../../../../src/sim/interleaver/driver.ts';
import { exploreAll, type OpenSchedule, partsOf } from '../../../../src/sim/interleaver/explore.ts';
import type { Kill } from '../../../../src/sim/interleaver/scene.ts';

const scenes = new URL('./busScenes.ts', import.meta.url).href;
const root = resolve(import.meta.dirname, '../../../..');

/** A whole set of schedules: a scene, and who is killed where. */
export interface Exhaustive {
  /** Name of the scene, and a planted bug after a blank. */
  readonly scene: string;
  readonly kill?: Kill;
  readonly preemptions: number;
}

/** What is known of a set, kept between runs. */
interface Progress {
  /** Interleavings played of each finished part, in the order of `partsOf`; -1: not finished. */
  readonly runs: number[];
  longest: number;
}

/** What was done, by set; of these sources only. */
interface Kept {
  readonly sources: string;
  readonly sets: Record<string, Progress>;
}

export interface ExploredSet {
  /** Interleavings played of finished parts, in this run and earlier ones. */
  readonly runs: number;
  readonly parts: number;
  readonly partsDone: number;
  readonly longest: number;
  readonly failed: PlayedRun | undefined;
}

/** Which of the parts are one's own, from 1. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** Finished parts of sets, in a file: a run that was ended goes on where it was, and shards work side by side with a file each. */
export class ExhaustiveStore {
  readonly #path: string | undefined;
  readonly #kept: Kept;

  /** @param path undefined: nothing is kept */
  constructor(path: string | undefined) {
    this.#path = path;
    const sources = digestOfSources();
    // The shape is what `save` writes.
    const found = path !== undefined && existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : undefined;
    // What was seen of other sources proves nothing of these.
    this.#kept = found?.sources === sources ? found : { sources, sets: {} };
  }

  of(set: Exhaustive, parts: number): Progress {
    const kill = set.kill === undefined ? '' : ` killed ${set.kill.who}@${set.kill.atStep}`;
    const name = `${set.scene}${kill} ${set.preemptions}`;
    const known = this.#kept.sets[name];
    if (known?.runs.length === parts) return known;
    const fresh: Progress = { runs: new Array<number>(parts).fill(-1), longest: 0 };
    this.#kept.sets[name] = fresh;
    return fresh;
  }

  save(): void {
    if (this.#path === undefined) return;
    writeFileSync(`${this.#path}.new`, JSON.stringify(this.#kept));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

function digestOfSources(): string {
  const hash = createHash('sha256');
  const patterns = ['src/{host,engines/indexbus,sim/interleaver}/**/*.ts', 'test/engines/indexbus/support/*.ts'];
  for (const file of globSync(patterns, { cwd: root }).sort()) {
    hash.update(file);
    hash.update(readFileSync(resolve(root, file)));
  }
  return hash.digest('hex');
}

/** Sets of one scene with the participant killed at each of its steps. */
export async function killedEverywhere(scene: string, who: number, preemptions: number): Promise<Exhaustive[]> {
  const driver = await SceneDriver.open(scenes, scene);
  try {
    const sets: Exhaustive[] = [];
    for (let atStep = 0; ; atStep += 1) {
      const kill = { who, atStep };
      if (driver.play({ departures: [], kills: [kill] }).killed.length === 0) return sets;
      sets.push({ scene, kill, preemptions });
    }
  } finally {
    await driver.close();
  }
}

/** Plays what is left of a set, part by part, until it is done, fails, or `isLate`. */
export async function exploreSet(
  set: Exhaustive,
  store: ExhaustiveStore,
  shard: Shard,
  isLate: () => boolean,
): Promise<ExploredSet> {
  const driver = await SceneDriver.open(scenes, set.scene);
  try {
    const bounds = { preemptions: set.preemptions, ...(set.kill === undefined ? {} : { kills: [set.kill] }) };
    const { first, parts } = partsOf(driver, bounds);
    const progress = store.of(set, parts.length);
    progress.longest = Math.max(progress.longest, first.decisions);
    if (first.violations.length + first.errors.length + first.stuck.length > 0) return summary(progress, shard, first);
    for (const [index, under] of ownParts(parts, shard)) {
      if (isLate()) break;
      if ((progress.runs[index] ?? -1) >= 0) continue;
      const { runs, longest, failed } = exploreAll(driver, { ...bounds, under, runsMax: Number.MAX_SAFE_INTEGER });
      progress.longest = Math.max(progress.longest, longest);
      if (failed !== undefined) return summary(progress, shard, failed);
      progress.runs[index] = runs;
      store.save();
    }
    return summary(progress, shard, undefined);
  } finally {
    await driver.close();
  }
}

function ownParts(parts: readonly OpenSchedule[], { index, of }: Shard): [number, OpenSchedule][] {
  return [...parts.entries()].filter(([part]) => part % of === index - 1);
}

function summary({ runs, longest }: Progress, { index, of }: Shard, failed: PlayedRun | undefined): ExploredSet {
  const own = runs.filter((_, part) => part % of === index - 1);
  const done = own.filter((it) => it >= 0);
  // The run without a departure is the first shard's.
  const first = index === 1 ? 1 : 0;
  return {
    runs: done.reduce((sum, it) => sum + it, first),
    parts: own.length,
    partsDone: done.length,
    longest,
    failed,
  };
}
