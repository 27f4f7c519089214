import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { packageCommit } from '../daemon/version.ts';
import { ExitCode } from '../engines/engine.ts';
import { FaultError } from '../faults/fault.ts';
import { historyFileName } from '../report/historyFile.ts';
import { perfettoFileName } from '../report/perfetto.ts';
import { writeTrace } from '../report/traceFile.ts';
import { violationCount } from '../report/violationCount.ts';
import { writeReport } from '../report/writeReport.ts';
import { type Override, parseOverride } from '../scenario/document.ts';
import { loadScenario } from '../scenario/load.ts';
import { ScenarioError } from '../scenario/mistakes.ts';
import { runScenario } from '../scenario/runner.ts';
import type { RunOptions } from '../scenario/runOptions.ts';
import type { RunRecord, Verdict } from '../scenario/runRecord.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { checkDeterminism, describeDifference } from '../sim/checkDeterminism.ts';
import type { TraceEntry } from '../sim/trace.ts';
import type { World } from '../sim/world.ts';
import { onInterrupt } from './interrupt.ts';
import { outputLost } from './output.ts';
import { createProgressBar } from './progressBar.ts';
import { prepareReportDirectory } from './reportDirectory.ts';
import { readScenario } from './scenarioText.ts';
import { foldRepeats, formatTime } from './timelineLine.ts';
import { readVocabulary } from './vocabulary.ts';

interface ReplayFlags {
  readonly seed?: number;
  readonly set: readonly Override[];
  readonly checkDeterminism?: boolean;
  readonly mutant?: string;
  readonly trace?: boolean;
  readonly report?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Exit codes of a run, by its verdict. */
export const verdictExitCode: Readonly<Record<Verdict, number>> = { held: 0, violated: 1, undecided: 2 };

/** `hotfire replay`. */
export function replayCommand(): Command {
  return new Command('replay')
    .summary('play a scenario in the simulator')
    .description('Plays a scenario in the simulator: the timeline as it happens, then a verdict and a report.')
    .argument('<file>', 'a file, or the name of a scenario of the package: slow-fsync')
    .option('--seed <n>', "seed of the run (default: the scenario's)", readSeed)
    .addOption(
      new Option('--set <path=value>', 'override a key: load.rate=200/s, timeline.slow.duration=5m (repeatable)')
        .argParser(collect)
        .default([], 'the file as it is'),
    )
    .option('--check-determinism', 'play a second time and compare every event; a difference is named, and violates')
    .option('--mutant <name>', 'plant this bug in the engine, as chaos --mutant does; the verdict says so')
    .option('--trace', 'keep every event in trace.ndjson.gz of the report, for hotfire diff')
    .option(
      '--report <dir>',
      'where the report goes (default: reports/<scenario>-<seed>, with a mark for --mutant and --set)',
    )
    .option('--json', 'print the outcome as JSON instead of the timeline')
    .option('--quiet', 'print the verdict alone')
    .addHelpText(
      'after',
      `
Exit codes: 0 held, 1 violated, 2 could not decide, 64 usage, 74 held but the report could not be written, 78 the
scenario cannot be used, 130 interrupted. The code is the same when nobody reads the output to its end.

Examples:
  $ hotfire replay scenarios/stemedb/slow-fsync.yaml
  $ hotfire replay slow-fsync --seed 9 --set timeline.slow.p99=300ms`,
    )
    .action(async (file: string, flags: ReplayFlags) => {
      process.exitCode = await replay(file, flags);
    });
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || seed > 2 ** 32 - 1) {
    throw new InvalidArgumentError(`expected a whole number from 0 to 4294967295, got ${JSON.stringify(text)}.`);
  }
  return seed;
}

function collect(text: string, before: readonly Override[]): Override[] {
  const override = parseOverride(text);
  if (override === undefined) throw new InvalidArgumentError(`expected path=value, got ${JSON.stringify(text)}.`);
  return [...before, override];
}

async function replay(wanted: string, flags: ReplayFlags): Promise<number> {
  try {
    const { file, text } = readScenario(wanted);
    const scenario = loadScenario(text, readVocabulary(), {
      file,
      overrides: flags.set,
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    });
    if (flags.mutant !== undefined) {
      // Chaos, which knows the bugs, is loaded only for them.
      const { mutantNamed } = await import('./planted.ts');
      mutantNamed(scenario.engine, flags.mutant);
    }
    const options: RunOptions = {
      ...(flags.mutant === undefined ? {} : { mutants: [flags.mutant] }),
      commit: packageCommit(),
      nodeVersion: process.version,
      command: commandOf(wanted, scenario, flags),
      realNow: () => performance.now(),
    };
    if (flags.checkDeterminism === true) return await playTwice(file, scenario, flags, options);
    return await playAndReport(file, scenario, flags, options);
  } catch (error) {
    if (!(error instanceof ScenarioError) && !(error instanceof FaultError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return ExitCode.configuration;
  }
}

async function playAndReport(
  file: string,
  scenario: Scenario,
  flags: ReplayFlags,
  options: RunOptions,
): Promise<number> {
  const directory = flags.report ?? defaultDirectory(file, scenario, flags);
  prepareReportDirectory(directory, '--report');
  const silent = flags.json === true || flags.quiet === true;
  const bar = createProgressBar(process.stderr);
  const timeline = foldRepeats((line) => {
    bar.clear();
    process.stdout.write(`${line}\n`);
  });
  let world: World | undefined;
  const stopListening = onInterrupt((exitCode) => {
    timeline.flush();
    bar.clear();
    const where = formatTime(world?.now ?? 0);
    process.stderr.write(`interrupted at ${where} of virtual time: no verdict, no report; seed ${scenario.seed}\n`);
    process.exit(exitCode);
  });
  const record = await runScenario(scenario, {
    observe: true,
    ...options,
    record: flags.trace === true || options.record === true,
    onWorld: (made) => {
      world = made;
      options.onWorld?.(made);
    },
    onProgress: (nowMs, totalMs) => {
      if (!silent) bar.update(nowMs, totalMs);
    },
    onEntry: (entry) => {
      if (!silent && !outputLost()) timeline.entry(entry);
    },
  });
  stopListening();
  timeline.flush();
  bar.clear();
  const { files, trouble } = await leaveReport(
    record,
    directory,
    flags.trace === true ? world?.trace.entries : undefined,
  );
  process.stdout.write(
    flags.json === true ? `${JSON.stringify(outcomeOf(record, files))}\n` : summaryOf(record, files),
  );
  if (trouble !== undefined) process.stderr.write(`error: the report could not be written: ${trouble}\n`);
  const code = verdictExitCode[record.verdict];
  return code === 0 && trouble !== undefined ? ExitCode.io : code;
}

/** A run that is not the plain one of its file does not overwrite the plain one's report. */
function defaultDirectory(file: string, scenario: Scenario, { set, mutant }: ReplayFlags): string {
  const name = basename(file).replace(/\.ya?ml$/, '') || 'scenario';
  const changes = set.map(({ path, value }) => `${path}=${value}`).join('\n');
  const changed = changes === '' ? '' : `-set-${createHash('sha256').update(changes).digest('hex').slice(0, 8)}`;
  return join('reports', `${name}-${scenario.seed}${mutant === undefined ? '' : `-${mutant}`}${changed}`);
}

/** Writes report and trace. A report that cannot be written does not take the verdict with it: it is told as trouble. */
async function leaveReport(
  record: RunRecord,
  directory: string,
  trace: readonly TraceEntry[] | undefined,
): Promise<{ readonly files: readonly string[]; readonly trouble?: string }> {
  const files: string[] = [];
  try {
    files.push(...(await writeReport(record, directory)));
    if (trace !== undefined) files.push(await writeTrace(trace, directory));
    return { files };
  } catch (error) {
    return { files, trouble: error instanceof Error ? error.message : String(error) };
  }
}

/** Plays, reports, and plays again: the verdict stands only if both runs did the same. */
async function playTwice(file: string, scenario: Scenario, flags: ReplayFlags, options: RunOptions): Promise<number> {
  let code: number | undefined;
  // Every other run is not observed: watching must not change a run either.
  let runs = 0;
  const report = await checkDeterminism(async (record) => {
    const worlds: World[] = [];
    const watched: RunOptions = { ...options, record, onWorld: (world) => void worlds.push(world) };
    const observe = runs++ % 2 === 0;
    if (code === undefined) code = await playAndReport(file, scenario, flags, watched);
    else await runScenario(scenario, { ...watched, observe });
    const [world] = worlds;
    if (world === undefined) throw new Error('the run made no world');
    return world.trace;
  });
  const { equal, fingerprints, firstDifference } = report;
  const where = firstDifference === undefined ? 'recorded runs do not differ' : describeDifference(firstDifference);
  const words = equal
    ? `deterministic: two runs, fingerprint ${fingerprints[0]}`
    : `NOT deterministic: fingerprints ${fingerprints.join(' and ')}\n  ${where}`;
  // With --json the outcome alone is on stdout.
  (flags.json === true ? process.stderr : process.stdout).write(`${words}\n`);
  return equal ? (code ?? verdictExitCode.undecided) : verdictExitCode.violated;
}

/** The parts of a run's record that `--json` prints. */
const outcomeParts = [
  'title',
  'engine',
  'seed',
  'mutants',
  'verdict',
  'reasons',
  'virtualMs',
  'realMs',
  'events',
  'fingerprint',
  'expectations',
  'violations',
] as const satisfies readonly (keyof RunRecord)[];

function outcomeOf(record: RunRecord, files: readonly string[]) {
  return { ...Object.fromEntries(outcomeParts.map((part) => [part, record[part]])), files };
}

/** What stands at the end of a run. */
export function summaryOf(record: RunRecord, files: readonly string[]): string {
  const held = record.expectations.filter((result) => result.outcome === 'held').length;
  const { ok, fail, info, total } = record.operations;
  const speed = record.realMs > 0 ? Math.round(record.virtualMs / record.realMs) : 0;
  const page = files.find((file) => file.endsWith('.html'));
  const lines = [
    '',
    `${record.verdict}: ${record.title}, seed ${record.seed}${plantedIn(record)}`,
    ...record.reasons.slice(0, 20).map((reason) => `  ${reason}`),
    // Of a regression that is back, whoever reads this asks first where it came from.
    ...(record.verdict === 'held' || record.source === undefined ? [] : [`  source       ${record.source}`]),
    `  ${held} of ${record.expectations.length} expectations held${othersOf(record)}; ${foundBy(record)}`,
    `  ${total} operations: ${ok} ok, ${fail} refused, ${info} in doubt`,
    `  ${(record.virtualMs / 60_000).toFixed(1)} min of virtual time in ${(record.realMs / 1000).toFixed(1)} s (${speed} × real time), ${record.events} events`,
    `  fingerprint  ${record.fingerprint}`,
    ...(page === undefined
      ? files.map((file) => `  report       ${file}`)
      : [`  report       ${page}  (open it in a browser)`, ...besides(files)]),
    `  again        ${record.command}`,
    '',
  ];
  return lines.join('\n');
}

/** What the page is not: files for other programs. */
function besides(files: readonly string[]): string[] {
  const named = (name: string) => files.find((file) => basename(file) === name);
  const trace = named(perfettoFileName);
  const history = named(historyFileName);
  return [
    ...(trace === undefined ? [] : [`  trace        ${trace}  (open it in https://ui.perfetto.dev)`]),
    ...(history === undefined ? [] : [`  history      ${history}  (every operation, one a line)`]),
  ];
}

function othersOf({ expectations }: RunRecord): string {
  return (['violated', 'undecided'] as const)
    .map((outcome) => ({ outcome, many: expectations.filter((result) => result.outcome === outcome).length }))
    .map(({ outcome, many }) => (many === 0 ? '' : `, ${many} ${outcome}`))
    .join('');
}

function foundBy({ violations }: RunRecord): string {
  if (violations.length === 0) return 'no check found a violation';
  return `the checks found ${violationCount(violations)} violation${violations.length === 1 ? '' : 's'}`;
}

function plantedIn({ mutants = [] }: RunRecord): string {
  return mutants.length === 0 ? '' : `, with the planted bug ${mutants.join(', ')}`;
}

function commandOf(file: string, scenario: Scenario, flags: ReplayFlags): string {
  const sets = flags.set.map(({ path, value }) => ` --set ${quote(`${path}=${value}`)}`).join('');
  const mutant = flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`;
  return `npx hotfire replay ${quote(file)} --seed ${scenario.seed}${sets}${mutant}`;
}

function quote(text: string): string {
  return /^[\w./=:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
