import { stringify } from 'yaml';
import type { ScenarioDocument } from '../definition.ts';

/** How big a run is. */
export interface RunSize {
  /** Fault steps of the timeline, without those that are derived from others. */
  readonly faults: number;
  readonly nodes: number;
  /** What the clients asked. */
  readonly operations: number;
  readonly virtualMs: number;
}

/** What one run of a candidate came to. */
export interface Trial {
  readonly size: RunSize;
  /** Names of the checks that were violated; empty when it held. */
  readonly checks: readonly string[];
  readonly reasons: readonly string[];
}

/** How far a search has come. */
export interface ShrinkProgress {
  /** What is being tried: `faults`, `nodes`, `load` … */
  readonly pass: string;
  readonly runs: number;
  readonly runsMax: number;
  /** Of the smallest failing run so far. */
  readonly faults: number;
  readonly nodes: number;
  readonly operations: number;
}

/** What a search must know of the engine's stand. */
export interface StandFacts {
  /** Nodes of a cluster whose document does not say how many. */
  readonly defaultNodes: number;
  /** Name of the n-th node, from 1. */
  readonly nodeName: (number: number) => string;
  /** The load of a document that has an empty one. */
  readonly loadDefaults: Readonly<Record<string, unknown>>;
}

export interface SearchOptions {
  /** What failed, and how. */
  readonly document: ScenarioDocument;
  readonly trial: Trial;
  /** Plays a candidate; undefined when it makes no sense (a mistake in it, a fault that cannot be applied). */
  readonly play: (document: ScenarioDocument) => Promise<Trial | undefined>;
  /** Asked of a candidate that fails alike: false refuses it. Counts as a run. */
  readonly confirm?: (document: ScenarioDocument) => Promise<boolean>;
  /** Derives what depends on the steps; undefined: no such run can be judged. Default: nothing is derived. */
  readonly complete?: (document: ScenarioDocument) => ScenarioDocument | undefined;
  /** Without it nodes stay as they are. */
  readonly stand?: StandFacts;
  /** Runs that the search may take. */
  readonly runsMax: number;
  /** Asked before each run: true ends the search. */
  readonly mayStop?: () => boolean;
  readonly onProgress?: (progress: ShrinkProgress) => void;
}

/** A search for a smaller document that fails alike: what passes try candidates on. */
export interface Search {
  /** The smallest so far. */
  readonly document: ScenarioDocument;
  readonly trial: Trial;
  /** Runs taken, those of `confirm` among them. */
  readonly runs: number;
  /** Why nothing more is tried. */
  readonly ended: 'runs' | 'stopped' | undefined;
  readonly stand: StandFacts | undefined;
  /** Demands are derived from the steps, and are not the search's to drop. */
  readonly isCompleted: boolean;
  /** Names of the nodes of the smallest so far; empty when the stand is not known. */
  nodeNames(): string[];
  /** Names what is tried from now on. */
  begin(pass: string): void;
  /**
   * Whether the candidate fails alike, and is now the smallest. False without a run for one that was seen before or that
   * nothing can be demanded of, and when the budget is used up.
   *
   * @param acceptable what else it must be, against the smallest so far
   */
  attempt(candidate: ScenarioDocument, acceptable?: (trial: Trial, smallest: Trial) => boolean): Promise<boolean>;
}

/** A run fails alike when it shares a check with the first: one that fails otherwise is another failure. */
export function failsAlike(trial: Trial | undefined, wanted: readonly string[]): trial is Trial {
  return trial?.checks.some((check) => wanted.includes(check)) === true;
}

/** Begins a search. Deterministic: the same document and runs give the same result, unless `mayStop` ends it. */
export function createSearch(options: SearchOptions): Search {
  const { runsMax, complete = (candidate) => candidate } = options;
  const wanted = options.trial.checks;
  /** What was tried, by its text: an accepted one is not tried again either, so that no search goes in circles. */
  const seen = new Set([textOf(options.document)]);
  let { document, trial } = options;
  let pass = '';
  let runs = 0;
  let ended: Search['ended'];

  /** Undefined: refused. */
  async function judge(candidate: ScenarioDocument, acceptable: (trial: Trial, smallest: Trial) => boolean) {
    runs++;
    const found = await options.play(candidate);
    if (!failsAlike(found, wanted) || !acceptable(found, trial)) return undefined;
    if (options.confirm === undefined) return found;
    runs++;
    return (await options.confirm(candidate)) ? found : undefined;
  }

  return {
    get document() {
      return document;
    },
    get trial() {
      return trial;
    },
    get runs() {
      return runs;
    },
    get ended() {
      return ended;
    },
    stand: options.stand,
    isCompleted: options.complete !== undefined,
    nodeNames() {
      const { nodeName } = options.stand ?? {};
      return nodeName === undefined ? [] : Array.from({ length: trial.size.nodes }, (_, index) => nodeName(index + 1));
    },
    begin(name) {
      pass = name;
    },
    async attempt(candidate, acceptable = () => true) {
      const completed = complete(candidate);
      if (completed === undefined) return false;
      const text = textOf(completed);
      if (seen.has(text)) return false;
      if (ended === undefined && runs >= runsMax) ended = 'runs';
      if (ended === undefined && options.mayStop?.() === true) ended = 'stopped';
      if (ended !== undefined) return false;
      seen.add(text);
      const found = await judge(completed, acceptable);
      if (found !== undefined) {
        document = completed;
        trial = found;
      }
      const { faults, nodes, operations } = trial.size;
      options.onProgress?.({ pass, runs, runsMax, faults, nodes, operations });
      return found !== undefined;
    },
  };
}

/** The file of a document: the same text, the same run. */
export function textOf(document: ScenarioDocument): string {
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}
