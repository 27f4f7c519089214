import { FaultError } from '../faults/fault.ts';
import type { Vocabulary } from '../scenario/load.ts';
import type { RunRecord, Verdict } from '../scenario/runRecord.ts';
import type { ChaosDefinition, Draw, ScenarioDocument } from './definition.ts';
import { describedBy } from './shrink/describe.ts';
import { type ShrinkProgress, textOf } from './shrink/search.ts';
import { type ShrinkExplanation, shrink } from './shrink/shrink.ts';
import { playDocument, playEdited, playersOf, trialOf } from './shrink/trial.ts';

/** What one run of a campaign came to: plain data. */
export interface RunResult {
  /**
   * `skipped`: a fault of it cannot be applied, which says nothing of the engine. `broken`: the stand itself failed, or whoever
   * played it; the campaign's own word, which no player says.
   */
  readonly verdict: Verdict | 'skipped' | 'broken';
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
  /** Of a `broken` run: what failed. Of a `skipped` one: what was expected for a fault, and what came. */
  readonly reason?: string;
}

/** The result of a run of which nothing is known but why it was not judged. */
export function unjudged(verdict: 'skipped' | 'broken', reason: string): RunResult {
  return { verdict, reason, fingerprint: '', events: 0, virtualMs: 0, probes: [], coverage: [], faults: [] };
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
  /**
   * With planted bugs alone: what the run, as it was drawn, comes to without them. Only where it holds does the failure show
   * the planted bug.
   */
  readonly withoutMutants?: Verdict | 'skipped';
}

/** Whether a failure shows what it was looked for by: a planted bug, or with none planted, any. */
export function showsPlanted({ withoutMutants }: SeedFailure): boolean {
  return withoutMutants === undefined || withoutMutants === 'held';
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

/**
 * Runs a draw, and when it fails looks for a smaller scenario that fails alike.
 *
 * @throws ScenarioError when the definition makes a scenario that does not load: its own defect
 */
export async function runDraw(
  definition: ChaosDefinition,
  draw: Draw,
  vocabulary: Vocabulary,
  options: DrawOptions = {},
): Promise<RunResult> {
  const document = definition.scenarioOf(draw);
  let record: RunRecord;
  try {
    record = await playDocument(document, vocabulary, options.mutants ?? []);
  } catch (error) {
    if (error instanceof FaultError) return unjudged('skipped', error.message);
    throw error;
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
  const mutants = options.mutants ?? [];
  const runsMax = options.shrinkRunsMax ?? shrinkRunsMaxDefault;
  const without =
    mutants.length === 0
      ? {}
      : { withoutMutants: (await playEdited(document, vocabulary, []))?.verdict ?? ('skipped' as const) };
  if (runsMax === 0) {
    return { checks: trial.checks, reasons: trial.reasons, scenario: textOf(document), shrinkRuns: 0, ...without };
  }
  const { confirm, ...players } = playersOf(definition.engine, vocabulary, mutants);
  const shrunk = await shrink({
    document,
    trial,
    runsMax,
    complete: definition.complete,
    ...players,
    // What does not hold without the bug either is made smaller for what it is: no candidate could be confirmed.
    ...(confirm === undefined || without.withoutMutants !== 'held' ? {} : { confirm }),
    ...(options.mayStop === undefined ? {} : { mayStop: options.mayStop }),
    ...(options.onShrink === undefined ? {} : { onProgress: options.onShrink }),
  });
  return {
    checks: shrunk.checks,
    reasons: shrunk.reasons,
    scenario: textOf(describedBy(shrunk.document, shrunk.explanation)),
    shrinkRuns: shrunk.explanation.runs,
    explanation: shrunk.explanation,
    ...without,
  };
}
