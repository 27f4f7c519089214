import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { packageCommit } from '../daemon/version.ts';
import { ExitCode } from '../engines/engine.ts';
import { FaultError } from '../faults/fault.ts';
import { writeTrace } from '../report/traceFile.ts';
import { writeReport } from '../report/writeReport.ts';
import { type Override, parseOverride } from '../scenario/document.ts';
import { loadScenario } from '../scenario/load.ts';
import { ScenarioError } from '../scenario/mistakes.ts';
import { runScenario } from '../scenario/runner.ts';
import type { RunOptions } from '../scenario/runOptions.ts';
import type { RunRecord } from '../scenario/runRecord.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { checkDeterminism, describeDifference } from '../sim/checkDeterminism.ts';
import type { TraceEntry } from '../sim/trace.ts';
import type { World } from '../sim/world.ts';
import { onInterrupt } from './interrupt.ts';
import { outputLost } from './output.ts';
import { createProgressBar } from './progressBar.ts';
import { playAll } from './replayAll.ts';
import { summaryOf } from './replaySummary.ts';
import { prepareReportDirectory } from './reportDirectory.ts';
import { readScenario } from './scenarioText.ts';
import { foldRepeats, formatTime } from './timelineLine.ts';
import { verdictExitCode } from './verdictExitCode.ts';
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

/** A file as it was asked for, and what is in it. */
interface Wanted {
  readonly name: string;
  readonly file: string;
  readonly text: string;
}

/** Where a report goes; `usual`: where it went without `--report`. */
type DirectoryOf = (flags: ReplayFlags, usual: string) => string;

/** `hotfire replay`. */
export function replayCommand(): Command {
  return new Command('replay')
    .summary('play a scenario in the simulator')
    .description('Plays a scenario in the simulator: the timeline as it happens, then a verdict and a report.')
    .argument('<files...>', 'files, or names of scenarios of the package: slow-fsync; one is played after the other')
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
      'where the report goes, of several files a folder each (default: reports/<scenario>-<seed>, with a mark for --mutant and --set)',
    )
    .option('--json', 'print the outcome as JSON instead of the timeline, a line for each file')
    .option('--quiet', 'print the verdict alone')
    .addHelpText(
      'after',
      `
Exit codes: 0 held, 1 violated, 2 could not decide, 64 usage, 74 held but the report could not be written, 78 the
scenario cannot be used, 130 interrupted. The code is the same when nobody reads the output to its end. Of several files
all are played, and the worst decides: 1, 78, 2, 74, 0.

Examples:
  $ hotfire replay scenarios/stemedb/slow-fsync.yaml
  $ hotfire replay slow-fsync --seed 9 --set timeline.slow.p99=300ms
  $ hotfire replay scenarios/stemedb/*.yaml --quiet`,
    )
    .action(async (files: readonly string[], flags: ReplayFlags) => {
      // All before the first: a name that is wrong is told before an hour of runs, not after it.
      const wanted = files.map((name) => ({ name, ...readScenario(name) }));
      const [only, ...others] = wanted;
      if (only !== undefined && others.length === 0) {
        process.exitCode = await replay(only, flags, ({ report }, usual) => report ?? usual);
        return;
      }
      const directoryOf = separateDirectories();
      const { exitCode, summary } = await playAll(wanted, (one) => replay(one, flags, directoryOf));
      if (flags.json !== true) process.stdout.write(`\n${summary}\n`);
      process.exitCode = exitCode;
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

async function replay(wanted: Wanted, flags: ReplayFlags, directoryOf: DirectoryOf): Promise<number> {
  const { name, file, text } = wanted;
  try {
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
      command: commandOf(name, scenario, flags),
      realNow: () => performance.now(),
    };
    const directory = directoryOf(flags, defaultDirectory(file, scenario, flags));
    if (flags.checkDeterminism === true) return await playTwice(directory, scenario, flags, options);
    return await playAndReport(directory, scenario, flags, options);
  } catch (error) {
    if (!(error instanceof ScenarioError) && !(error instanceof FaultError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return ExitCode.configuration;
  }
}

async function playAndReport(
  directory: string,
  scenario: Scenario,
  flags: ReplayFlags,
  options: RunOptions,
): Promise<number> {
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

/** For several files: each has a directory of its own, also two of the same name and seed. */
function separateDirectories(): DirectoryOf {
  const taken = new Set<string>();
  return ({ report }, usual) => {
    const plain = report === undefined ? usual : join(report, basename(usual));
    let directory = plain;
    for (let n = 2; taken.has(directory); n++) directory = `${plain}-${n}`;
    taken.add(directory);
    return directory;
  };
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
async function playTwice(
  directory: string,
  scenario: Scenario,
  flags: ReplayFlags,
  options: RunOptions,
): Promise<number> {
  let code: number | undefined;
  // Every other run is not observed: watching must not change a run either.
  let runs = 0;
  const report = await checkDeterminism(async (record) => {
    const worlds: World[] = [];
    const watched: RunOptions = { ...options, record, onWorld: (world) => void worlds.push(world) };
    const observe = runs++ % 2 === 0;
    if (code === undefined) code = await playAndReport(directory, scenario, flags, watched);
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
  'command',
] as const satisfies readonly (keyof RunRecord)[];

function outcomeOf(record: RunRecord, files: readonly string[]) {
  return { ...Object.fromEntries(outcomeParts.map((part) => [part, record[part]])), files };
}

function commandOf(file: string, scenario: Scenario, flags: ReplayFlags): string {
  const sets = flags.set.map(({ path, value }) => ` --set ${quote(`${path}=${value}`)}`).join('');
  const mutant = flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`;
  return `npx hotfire replay ${quote(file)} --seed ${scenario.seed}${sets}${mutant}`;
}

function quote(text: string): string {
  return /^[\w./=:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
