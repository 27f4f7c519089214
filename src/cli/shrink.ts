import { basename } from 'node:path';
import { Command } from 'commander';
import { parse as parseYaml } from 'yaml';
import type { ScenarioDocument } from '../chaos/definition.ts';
import { shrinkRunsMaxDefault } from '../chaos/runSeed.ts';
import { describedBy, describeShrinking, sizeText, withoutStepText } from '../chaos/shrink/describe.ts';
import { type ShrinkProgress, textOf } from '../chaos/shrink/search.ts';
import { type Shrunk, shrink } from '../chaos/shrink/shrink.ts';
import { withNamedSteps, withoutGivenNames } from '../chaos/shrink/timeline.ts';
import { eventsMax, playersOf, trialOf } from '../chaos/shrink/trial.ts';
import { ExitCode } from '../engines/engine.ts';
import { FaultError } from '../faults/fault.ts';
import { loadScenario } from '../scenario/load.ts';
import { ScenarioError } from '../scenario/mistakes.ts';
import { runScenario } from '../scenario/runner.ts';
import { duration, positiveInteger } from './arguments.ts';
import { onInterrupt } from './interrupt.ts';
import { expectOutputFile, writeOutputFile } from './outputFile.ts';
import { mutantNamed } from './planted.ts';
import { readScenario } from './scenarioText.ts';
import { readVocabulary } from './vocabulary.ts';

interface ShrinkFlags {
  readonly mutant?: string;
  readonly runs: number;
  readonly timeBudget?: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** Where no terminal shows a line that changes, one line in so many runs. */
const runsPerLine = 50;

/** `hotfire shrink`. */
export function shrinkCommand(): Command {
  return new Command('shrink')
    .summary('make a failing scenario smaller')
    .description(
      'Plays a scenario that is violated, again and again with less in it: fewer nodes, steps, expectations and settings, less load, simpler parameters, shorter times. What still violates one of the same checks is kept. Writes the smallest that was found, which `hotfire replay` plays.',
    )
    .argument('<file>', 'a file, or the name of a scenario of the package')
    .option('--mutant <name>', 'plant this bug in the engine; what fails without it too is not taken')
    .option('--runs <n>', 'runs that the search may take', positiveInteger, shrinkRunsMaxDefault)
    .option('--time-budget <duration>', 'begin no further run after this much real time, such as 10m', duration)
    .option('--out <file>', 'where the smallest goes (default: FILE.shrunk.yaml in the working directory)')
    .option('--json', 'print what came of it as JSON')
    .addHelpText(
      'after',
      `
Exit codes: 0 a smallest was written, 2 nothing to shrink (the scenario holds, or could not be decided), 64 usage, 74 the
smallest could not be written (it is printed instead), 78 the scenario cannot be used, 130 interrupted, 143 told to end
(the smallest so far is written). Without --time-budget and interruption the
result is the same on every machine.

Examples:
  $ hotfire shrink incident.yaml
  $ hotfire shrink reports/chaos/stemedb-17/scenario.yaml --runs 2000 --time-budget 10m --out smallest.yaml`,
    )
    .action(async (file: string, flags: ShrinkFlags) => {
      process.exitCode = await shrinkFile(file, flags);
    });
}

async function shrinkFile(wanted: string, flags: ShrinkFlags): Promise<number> {
  const out = flags.out ?? `${basename(wanted).replace(/\.ya?ml$/, '')}.shrunk.yaml`;
  expectOutputFile('--out', out);
  try {
    return await shrinkTo(out, wanted, flags);
  } catch (error) {
    if (!(error instanceof ScenarioError) && !(error instanceof FaultError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return ExitCode.configuration;
  }
}

async function shrinkTo(out: string, wanted: string, flags: ShrinkFlags): Promise<number> {
  const { file, text } = readScenario(wanted);
  const vocabulary = readVocabulary();
  const scenario = loadScenario(text, vocabulary, { file });
  const mutants = flags.mutant === undefined ? [] : [mutantNamed(scenario.engine, flags.mutant).name];
  const deadline = flags.timeBudget === undefined ? Number.POSITIVE_INFINITY : performance.now() + flags.timeBudget;
  const startedAt = performance.now();
  const record = await runScenario(scenario, { mutants, eventsMax });
  if (record.verdict !== 'violated') {
    const why = record.verdict === 'held' ? 'it holds' : `it could not be decided: ${record.reasons.join('; ')}`;
    process.stderr.write(`nothing to shrink in ${file}: ${why}\n`);
    return 2;
  }

  const document = withNamedSteps(parseYaml(text) as ScenarioDocument); // its schema has passed
  const trial = trialOf(document, record);
  let interrupted: number | undefined;
  const stopListening = onInterrupt((exitCode) => {
    interrupted = exitCode;
    process.stderr.write('interrupted: the run under way ends first, then the smallest so far is written\n');
  });
  const progress = createProgress(flags.json === true);
  const shrunk = await shrink({
    document,
    trial,
    runsMax: flags.runs,
    ...(await fairPlayers(scenario.engine, document, vocabulary, mutants)),
    mayStop: () => interrupted !== undefined || performance.now() > deadline,
    onProgress: progress.show,
  });
  stopListening();
  progress.clear();

  const smallest = describedBy(withoutGivenNames(shrunk.document), shrunk.explanation);
  const written = `${commentOf(file, shrunk, flags)}\n${textOf(smallest)}`;
  const lost = writeOutputFile(out, written);
  if (lost !== undefined) {
    // It took long to find: it goes where it can still be read.
    process.stdout.write(written);
    process.stderr.write(`error: the smallest could not be written, it is on standard output: ${lost}\n`);
    return ExitCode.io;
  }
  report(out, shrunk, flags, performance.now() - startedAt);
  return interrupted ?? 0;
}

/** A scenario that fails without the planted bug too is shrunk for what it is. */
async function fairPlayers(
  engine: string,
  document: ScenarioDocument,
  vocabulary: ReturnType<typeof readVocabulary>,
  mutants: readonly string[],
): Promise<ReturnType<typeof playersOf>> {
  const { confirm, ...players } = playersOf(engine, vocabulary, mutants);
  if (confirm === undefined || !(await confirm(document))) return players;
  return { ...players, confirm };
}

function commentOf(file: string, { checks, reasons, explanation }: Shrunk, { mutant }: ShrinkFlags): string {
  return [
    `Made smaller from ${file}: ${checks.join(', ')}`,
    ...reasons.slice(0, 5).map((reason) => `  ${reason}`),
    describeShrinking(explanation),
    ...explanation.steps.map((step) => `  ${step.text}: ${withoutStepText(step)}`),
    ...(mutant === undefined ? [] : [`Seen with the planted bug ${mutant}.`]),
  ]
    .flatMap((line) => line.split('\n'))
    .map((line) => `# ${line}`)
    .join('\n');
}

function report(out: string, { checks, reasons, explanation }: Shrunk, flags: ShrinkFlags, realMs: number): void {
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ file: out, checks, reasons, explanation, realMs }, null, 2)}\n`);
    return;
  }
  const mutant = flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`;
  const lines = [
    `before:  ${sizeText(explanation.before)}`,
    `after:   ${sizeText(explanation.after)}`,
    ...explanation.steps.map((step) => `         ${step.text}: ${withoutStepText(step)}`),
    `         ${describeShrinking(explanation).replace(/^.*? runs\. /, '')}`,
    `runs:    ${explanation.runs} in ${(realMs / 1000).toFixed(1)} s`,
    `checks:  ${checks.join(', ')}`,
    `file:    ${out}`,
    `replay:  npx hotfire replay ${out}${mutant}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** A line that changes on a terminal, a line now and then elsewhere; on standard error, so that output can be read on. */
function createProgress(silent: boolean): { show: (progress: ShrinkProgress) => void; clear: () => void } {
  const { stderr } = process;
  let nextLine = 0;
  return {
    show({ pass, runs, runsMax, faults, nodes, operations }) {
      const line = `${pass}: ${runs}/${runsMax} runs, ${faults} faults, ${nodes} nodes, ${operations} operations`;
      if (stderr.isTTY) stderr.write(`\r\u001b[K${line}`);
      else if (!silent && runs >= nextLine) {
        stderr.write(`${line}\n`);
        nextLine = runs + runsPerLine;
      }
    },
    clear() {
      if (stderr.isTTY) stderr.write('\r\u001b[K');
    },
  };
}
