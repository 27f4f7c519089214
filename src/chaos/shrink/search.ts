import { stringify } from 'yaml';
import type { ScenarioDocument } from '../definition.ts';
import { stepsOf } from './timeline.ts';

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

/**
 * What became of a candidate. `taken`: it fails alike, and is now the smallest. `holds`, `fails otherwise`: it does not.
 * `unjudged`: nothing can be demanded of it, or it cannot be played or decided. `fails without the bug`: it fails alike, and
 * does not hold without the planted bug either. `no smaller`: it fails alike and is not what was wanted. `untried`: there was no
 * run left for it, or the search was told to end.
 */
export type Outcome =
  | 'taken'
  | 'holds'
  | 'fails otherwise'
  | 'unjudged'
  | 'fails without the bug'
  | 'no smaller'
  | 'untried';

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
  /** The same, and what became of it; of one that was seen before what became of it then. */
  tryOut(candidate: ScenarioDocument): Promise<Outcome>;
  /** Begins the proof: from now on the runs that were kept for it may be taken. */
  prove(): void;
}

/** Part of the budget that is kept for the proof that each step is needed, at most, and so many steps at most. */
const reservedShare = 0.25;
const reservedStepsMax = 12;

/** A run fails alike when it shares a check with the first: one that fails otherwise is another failure. */
export function failsAlike({ checks }: Trial, wanted: ReadonlySet<string>): boolean {
  return checks.some((check) => wanted.has(check));
}

/** Begins a search. Deterministic: the same document and runs give the same result, unless `mayStop` ends it. */
export function createSearch(options: SearchOptions): Search {
  const { runsMax, complete = (candidate) => candidate } = options;
  const wanted = new Set(options.trial.checks);
  /** What was tried, by its text: an accepted one is not tried again either, so that no search goes in circles. */
  const seen = new Map<string, Outcome>([[textOf(options.document), 'taken']]);
  /** Runs that one candidate may take. */
  const cost = options.confirm === undefined ? 1 : 2;
  let { document, trial } = options;
  let pass = '';
  let runs = 0;
  let ended: Search['ended'];
  let proving = false;

  /** Runs that the passes leave for the proof. */
  function reserved(): number {
    if (proving) return 0;
    const steps = Math.min(stepsOf(document).length, reservedStepsMax);
    return Math.min(steps * cost, Math.floor(runsMax * reservedShare));
  }

  /** With another ending other demands are derived, and the same bug may be seen by them: what is confirmed is the bug. */
  function endsOtherwise(candidate: ScenarioDocument): boolean {
    const isSeen = options.complete !== undefined && options.confirm !== undefined;
    return isSeen && JSON.stringify(candidate.finally) !== JSON.stringify(document.finally);
  }

  async function judge(
    candidate: ScenarioDocument,
    acceptable: (trial: Trial, smallest: Trial) => boolean,
  ): Promise<Outcome> {
    runs++;
    const found = await options.play(candidate);
    if (found === undefined) return 'unjudged';
    if (found.checks.length === 0) return 'holds';
    if (!failsAlike(found, wanted) && !endsOtherwise(candidate)) return 'fails otherwise';
    if (!acceptable(found, trial)) return 'no smaller';
    if (options.confirm !== undefined) {
      runs++;
      if (!(await options.confirm(candidate))) return 'fails without the bug';
    }
    document = candidate;
    trial = found;
    if (!failsAlike(found, wanted)) for (const check of found.checks) wanted.add(check);
    return 'taken';
  }

  async function tryOut(
    candidate: ScenarioDocument,
    acceptable: (trial: Trial, smallest: Trial) => boolean = () => true,
  ): Promise<Outcome> {
    const completed = complete(candidate);
    if (completed === undefined) return 'unjudged';
    const text = textOf(completed);
    const known = seen.get(text);
    if (known !== undefined) return known;
    if (ended === undefined && runs + cost > runsMax - reserved()) ended = 'runs';
    if (ended !== 'stopped' && options.mayStop?.() === true) ended = 'stopped';
    if (ended !== undefined) return 'untried';
    const outcome = await judge(completed, acceptable);
    seen.set(text, outcome);
    const { faults, nodes, operations } = trial.size;
    options.onProgress?.({ pass, runs, runsMax, faults, nodes, operations });
    return outcome;
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
    async attempt(candidate, acceptable) {
      // What was taken before is no step forward: it may be larger than the smallest so far.
      const completed = complete(candidate);
      if (completed === undefined || seen.has(textOf(completed))) return false;
      return (await tryOut(candidate, acceptable)) === 'taken';
    },
    tryOut,
    prove() {
      proving = true;
      pass = 'necessity';
      if (ended === 'runs') ended = undefined;
    },
  };
}

/** The file of a document: the same text, the same run. */
export function textOf(document: ScenarioDocument): string {
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}
