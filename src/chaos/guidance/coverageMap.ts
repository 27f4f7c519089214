/** How often each coverage item was reached, and by which runs. */
export interface CoverageMap {
  /** Runs that were counted. */
  readonly runs: number;
  /** Counts a run. Items that it lists twice count once. */
  add(run: string, items: readonly string[]): void;
  /** Every item that was reached, the rarest first, then by name. */
  rarest(): readonly CoverageItem[];
}

/** One thing that a run can reach, such as `probe: a seal was made again` or `disk.stall × degraded`. */
export interface CoverageItem {
  readonly item: string;
  /** Runs that reached it. */
  readonly runs: number;
  /** The first runs that reached it, in the order of runs; at most `examplesMax`. */
  readonly examples: readonly string[];
}

/** Of an item that more runs reached, the first ones stand for all. */
export const examplesMax = 16;

export function createCoverageMap(): CoverageMap {
  const items = new Map<string, { runs: number; readonly examples: string[] }>();
  let runs = 0;
  return {
    get runs() {
      return runs;
    },
    add(run, reached) {
      runs++;
      for (const item of new Set(reached)) {
        const known = items.get(item) ?? { runs: 0, examples: [] };
        known.runs++;
        if (known.examples.length < examplesMax) known.examples.push(run);
        items.set(item, known);
      }
    },
    rarest() {
      return [...items]
        .map(([item, { runs: count, examples }]) => ({ item, runs: count, examples }))
        .sort((a, b) => a.runs - b.runs || (a.item < b.item ? -1 : 1));
    },
  };
}
