import fc from 'fast-check';
import { stringify } from 'yaml';
import { FaultError } from '../faults/fault.ts';
import { loadScenario, type Vocabulary } from '../scenario/load.ts';
import { runScenario } from '../scenario/runner.ts';
import type { RunRecord } from '../scenario/runRecord.ts';
import type { ChaosDefinition, ScenarioDocument } from './definition.ts';

/** What one seed of a campaign came to: plain data. */
export interface SeedResult {
  readonly seed: number;
  readonly verdict: 'held' | 'violated' | 'undecided' | 'skipped';
  /** Of the first run of this seed, before any shrinking. */
  readonly fingerprint: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly probes: readonly { readonly name: string; readonly reached: boolean }[];
  /** Names of the faults that were applied. */
  readonly faults: readonly string[];
  readonly failure?: SeedFailure;
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
  /** fast-check's path to it: `--path` goes there at once. */
  readonly path: string | undefined;
}

export interface SeedOptions {
  readonly mutants?: readonly string[];
  /** fast-check's path of an earlier failure of this seed. */
  readonly path?: string;
  /** Runs that shrinking may take. Default 80; 0: none. */
  readonly shrinkRunsMax?: number;
}

/** Beyond this number of events a run is undecided. */
const eventsMax = 5_000_000;

/** Draws one scenario from the seed, runs it, and when it fails looks for a smaller one that fails the same checks. */
export async function runSeed(
  definition: ChaosDefinition,
  seed: number,
  vocabulary: Vocabulary,
  options: SeedOptions = {},
): Promise<SeedResult> {
  const shrinkRunsMax = options.shrinkRunsMax ?? 80;
  let first: { readonly record: RunRecord | undefined } | undefined;
  let wanted: readonly string[] = [];
  let smallest: { readonly document: ScenarioDocument; readonly record: RunRecord } | undefined;
  let runs = 0;
  let defect: unknown;

  const property = fc.asyncProperty(definition.scenarios, async (document) => {
    if (defect !== undefined || (runs > shrinkRunsMax && first !== undefined)) return true;
    runs++;
    let record: RunRecord | undefined;
    try {
      record = await play(document, vocabulary, options.mutants ?? []);
    } catch (error) {
      // fast-check would take it for a failure of the property: it is one of this code, and ends the campaign.
      defect = error;
      return false;
    }
    const isFirst = first === undefined;
    first ??= { record };
    if (record?.verdict !== 'violated') return true;
    const seen = checksOf(record);
    if (isFirst) wanted = seen;
    // A smaller run that fails otherwise is another failure: it does not explain this one.
    else if (!seen.some((check) => wanted.includes(check))) return true;
    smallest = { document, record };
    return false;
  });
  const details = await fc.check(property, {
    seed,
    numRuns: 1,
    ...(options.path === undefined ? {} : { path: options.path }),
    endOnFailure: shrinkRunsMax === 0,
  });

  if (defect !== undefined) throw defect;
  const record = first?.record;
  if (record === undefined) {
    return { seed, verdict: 'skipped', fingerprint: '', events: 0, virtualMs: 0, probes: [], faults: [] };
  }
  return {
    seed,
    verdict: record.verdict,
    fingerprint: record.fingerprint,
    events: record.events,
    virtualMs: record.virtualMs,
    probes: record.probes,
    faults: record.faults.map((fault) => fault.name),
    ...(smallest === undefined
      ? {}
      : {
          failure: {
            checks: checksOf(smallest.record),
            reasons: smallest.record.reasons,
            scenario: stringify(smallest.document, { lineWidth: 0 }),
            shrinkRuns: runs - 1,
            path: details.counterexamplePath ?? undefined,
          },
        }),
  };
}

/** Runs a drawn scenario exactly as `replay` would run its file. Undefined when a fault of it cannot be applied there. */
async function play(
  document: ScenarioDocument,
  vocabulary: Vocabulary,
  mutants: readonly string[],
): Promise<RunRecord | undefined> {
  const scenario = loadScenario(stringify(document, { lineWidth: 0 }), vocabulary);
  try {
    return await runScenario(scenario, { mutants, eventsMax });
  } catch (error) {
    // Such as bit rot where no bytes are at rest: a draw that makes no sense, not a failure of the engine.
    if (error instanceof FaultError) return undefined;
    throw error;
  }
}

/** Who saw that something is wrong: checks by name, else the expectation that did not hold. */
function checksOf(record: RunRecord): string[] {
  const names = new Set(record.violations.map((violation) => violation.check));
  if (names.size === 0) {
    for (const result of record.expectations) if (result.outcome === 'violated') names.add(result.text);
  }
  return [...names];
}
