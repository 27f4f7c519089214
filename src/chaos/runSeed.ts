import type { Vocabulary } from '../scenario/load.ts';
import type { RunRecord } from '../scenario/runRecord.ts';
import type { ChaosDefinition, Draw, ScenarioDocument } from './definition.ts';
import { plainDraw } from './runId.ts';
import { describedBy } from './shrink/describe.ts';
import { type ShrinkProgress, textOf } from './shrink/search.ts';
import { type ShrinkExplanation, shrink } from './shrink/shrink.ts';
import { playDocument, playersOf, trialOf } from './shrink/trial.ts';

/** What one run of a campaign came to: plain data. */
export interface RunResult {
  readonly verdict: 'held' | 'violated' | 'undecided' | 'skipped';
  /** Of the run as it was drawn, before any shrinking. */
  readonly fingerprint: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly probes: readonly { readonly name: string; readonly reached: boolean }[];
  /** What the run reached: `RunRecord.coverage`. */
  readonly coverage: readonly string[];
  /** Names of the faults that were applied. */
  readonly faults: readonly string[];
  readonly failure?: SeedFailure;
}

/** What one seed of a campaign came to. */
export interface SeedResult extends RunResult {
  readonly seed: number;
}

/** A failing run, made smaller. */
export interface SeedFailure {
  /** Names of the checks that saw it. */
  readonly checks: readonly string[];
  readonly reasons: readonly string[];
  /** The smallest failing scenario that was found: a file for `hotfire replay`. */
  readonly scenario: string;
  /** How many runs the shrinking took. */
  readonly shrinkRuns: number;
  /** Before and after, and why what is left is needed; absent when nothing was shrunk. */
  readonly explanation?: ShrinkExplanation;
}

export interface DrawOptions {
  readonly mutants?: readonly string[];
  /** Runs that shrinking may take. Default 300; 0: none. */
  readonly shrinkRunsMax?: number;
  /** After each run of the shrinking. */
  readonly onShrink?: (progress: ShrinkProgress) => void;
  /** Asked before each run of the shrinking: true ends it with the smallest so far. */
  readonly mayStop?: () => boolean;
}

/** Runs that shrinking may take where nobody says. */
export const shrinkRunsMaxDefault = 300;

/** Draws one scenario from the seed, runs it, and when it fails looks for a smaller one that fails alike. */
export async function runSeed(
  definition: ChaosDefinition,
  seed: number,
  vocabulary: Vocabulary,
  options: DrawOptions = {},
): Promise<SeedResult> {
  const draw = plainDraw(definition, seed);
  return { seed, ...(await runDraw(definition, draw, vocabulary, options)) };
}

/** Runs a draw, and when it fails looks for a smaller scenario that fails alike. */
export async function runDraw(
  definition: ChaosDefinition,
  draw: Draw,
  vocabulary: Vocabulary,
  options: DrawOptions = {},
): Promise<RunResult> {
  const document = definition.scenarioOf(draw);
  const record = await playDocument(document, vocabulary, options.mutants ?? []);
  if (record === undefined) {
    return {
      verdict: 'skipped',
      fingerprint: '',
      events: 0,
      virtualMs: 0,
      probes: [],
      coverage: [],
      faults: [],
    };
  }
  return {
    verdict: record.verdict,
    fingerprint: record.fingerprint,
    events: record.events,
    virtualMs: record.virtualMs,
    probes: record.probes,
    coverage: record.coverage,
    faults: record.faults.map((fault) => fault.name),
    ...(record.verdict === 'violated'
      ? { failure: await failureOf(definition, document, record, vocabulary, options) }
      : {}),
  };
}

async function failureOf(
  definition: ChaosDefinition,
  document: ScenarioDocument,
  record: RunRecord,
  vocabulary: Vocabulary,
  options: DrawOptions,
): Promise<SeedFailure> {
  const trial = trialOf(document, record);
  const runsMax = options.shrinkRunsMax ?? shrinkRunsMaxDefault;
  if (runsMax === 0) {
    return { checks: trial.checks, reasons: trial.reasons, scenario: textOf(document), shrinkRuns: 0 };
  }
  const shrunk = await shrink({
    document,
    trial,
    runsMax,
    complete: definition.complete,
    ...playersOf(definition.engine, vocabulary, options.mutants ?? []),
    ...(options.mayStop === undefined ? {} : { mayStop: options.mayStop }),
    ...(options.onShrink === undefined ? {} : { onProgress: options.onShrink }),
  });
  return {
    checks: shrunk.checks,
    reasons: shrunk.reasons,
    scenario: textOf(describedBy(shrunk.document, shrunk.explanation)),
    shrinkRuns: shrunk.explanation.runs,
    explanation: shrunk.explanation,
  };
}
