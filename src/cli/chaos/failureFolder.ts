import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { PlayedRun } from '../../chaos/campaign.ts';
import { drawRun } from '../../chaos/runId.ts';
import type { SeedFailure } from '../../chaos/runSeed.ts';
import { eventsMax } from '../../chaos/shrink/trial.ts';
import { writeReport } from '../../report/writeReport.ts';
import { loadScenario } from '../../scenario/load.ts';
import { runScenario } from '../../scenario/runner.ts';
import { definitionOf } from '../planted.ts';
import { readVocabulary } from '../vocabulary.ts';

/** Of a campaign that finds more failures than this, the later ones get their scenarios and no report. */
export const reportsMax = 20;

export interface FailureFolderOptions {
  readonly engine: string;
  readonly mutant: string | undefined;
  /** Directory in which the folder is made. */
  readonly out: string;
  readonly commit: string;
  /** False: the scenarios alone are written. */
  readonly withReport: boolean;
}

/** What was left of a failure. */
export interface FailureFolder {
  readonly folder: string;
  /** The shrunk scenario. */
  readonly scenario: string;
  /** What to paste to play it. */
  readonly replay: string;
  /** The page to open; undefined: there is none. */
  readonly page: string | undefined;
  /** Why there is no report, or why it shows no failure. */
  readonly trouble: string | undefined;
}

/**
 * Leaves a failure for a person to open: `scenario.yaml` (shrunk), `original.yaml` (as it was drawn), and the report of one more
 * run of the shrunk one, which is watched. A report that fails takes nothing with it: it is told as trouble.
 */
export async function leaveFailure(
  { run, failure }: { readonly run: PlayedRun['run']; readonly failure: SeedFailure },
  options: FailureFolderOptions,
): Promise<FailureFolder> {
  const { engine, mutant, out } = options;
  const folder = join(out, `${engine}-${run}${mutant === undefined ? '' : `-${mutant}`}`);
  const scenario = join(folder, 'scenario.yaml');
  const planted = mutant === undefined ? '' : ` --mutant ${mutant}`;
  const replay = `npx hotfire replay ${scenario}${planted}`;
  const definition = definitionOf(engine);

  mkdirSync(folder, { recursive: true });
  writeFileSync(scenario, `${notesOn(run, failure, mutant, replay)}${failure.scenario}`);
  writeFileSync(
    join(folder, 'original.yaml'),
    `# Chaos, run ${run}, as it was drawn\n${stringify(definition.scenarioOf(drawRun(definition, run)), { lineWidth: 0 })}`,
  );
  const { page, trouble } = options.withReport
    ? await report(scenario, failure.scenario, folder, replay, options)
    : { page: undefined, trouble: `only the first ${reportsMax} failures get one` };
  return { folder, scenario, replay, page, trouble };
}

async function report(
  file: string,
  text: string,
  folder: string,
  command: string,
  { mutant, commit }: FailureFolderOptions,
): Promise<{ readonly page: string | undefined; readonly trouble: string | undefined }> {
  try {
    const record = await runScenario(loadScenario(text, readVocabulary(), { file }), {
      ...(mutant === undefined ? {} : { mutants: [mutant] }),
      observe: true,
      eventsMax,
      commit,
      nodeVersion: process.version,
      command,
      realNow: () => performance.now(),
    });
    const files = await writeReport(record, folder);
    const trouble =
      record.verdict === 'violated'
        ? undefined
        : `it shows a run that ${record.verdict}: please report this as a defect of the stand`;
    return { page: files.find((name) => name.endsWith('index.html')), trouble };
  } catch (error) {
    return { page: undefined, trouble: error instanceof Error ? error.message : String(error) };
  }
}

function notesOn(run: string, failure: SeedFailure, mutant: string | undefined, replay: string): string {
  const notes = [
    `# Chaos, run ${run}: ${failure.checks.join(', ')}`,
    ...failure.reasons.slice(0, 5).map((reason) => `#   ${reason}`),
    ...(mutant === undefined
      ? []
      : [`# Seen with the planted bug ${mutant}, ${withoutText(failure)}. See it again: ${replay}`]),
  ];
  return `${notes.join('\n')}\n`;
}

/** What is known of the run without the planted bug: a failure that is there without it too is no sign of it. */
export function withoutText({ withoutMutants }: SeedFailure): string {
  switch (withoutMutants) {
    case 'held':
      return 'not without it';
    case 'violated':
      return 'and the run as it was drawn fails without it too: this is about the engine, or a demand that it cannot meet';
    default:
      return 'and the run as it was drawn cannot be judged without it';
  }
}
