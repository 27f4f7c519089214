import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { readTrace, traceFileName } from '../report/traceFile.ts';
import type { RunRecord } from '../scenario/runRecord.ts';
import { describeEntry, firstDifference } from '../sim/checkDeterminism.ts';
import type { TraceEntry } from '../sim/trace.ts';
import { UsageError } from './exit.ts';

interface DiffFlags {
  readonly before: number;
  readonly after: number;
}

/** `hotfire diff`. */
export function diffCommand(): Command {
  return new Command('diff')
    .summary('show where two runs part')
    .description(
      'Compares the traces of two runs event by event and shows the first that differs, with what came before it in both and\n' +
        'after it in each. A run is the directory of its report, made with hotfire replay --trace.',
    )
    .argument('<run-a>', 'directory of a report, or its trace.ndjson.gz')
    .argument('<run-b>', 'the other')
    .option('--before <n>', 'events shown before the difference', count, 10)
    .option('--after <n>', 'events of each run shown from the difference on', count, 5)
    .addHelpText(
      'after',
      `
Exit codes: 0 the runs did the same, 1 they differ, 64 usage.

Examples:
  $ hotfire replay slow-fsync --trace --report reports/a
  $ hotfire replay slow-fsync --trace --seed 8 --report reports/b
  $ hotfire diff reports/a reports/b`,
    )
    .action(async (a: string, b: string, flags: DiffFlags) => {
      process.exitCode = await diff(a, b, flags);
    });
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`expected a whole number, got ${JSON.stringify(text)}.`);
  return value;
}

async function diff(a: string, b: string, { before, after }: DiffFlags): Promise<number> {
  const [first, second] = [await load(a), await load(b)];
  const difference = firstDifference(first, second);
  if (difference === undefined) {
    process.stdout.write(`the same: ${first.length} events\n`);
    return 0;
  }
  const { index } = difference;
  const lines = [
    ...settingsThatDiffer(a, b),
    `the runs part at event ${index} of ${first.length} and ${second.length}`,
    '',
    ...first.slice(Math.max(0, index - before), index).map((entry) => `    ${describeEntry(entry)}`),
    ...excerpt('a', first, index, after),
    ...excerpt('b', second, index, after),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 1;
}

function excerpt(name: string, entries: readonly TraceEntry[], from: number, many: number): string[] {
  const shown = entries.slice(from, from + many);
  return (shown.length === 0 ? [undefined] : shown).map((entry) => `  ${name} ${describeEntry(entry)}`);
}

async function load(run: string): Promise<TraceEntry[]> {
  const path = existsSync(run) && statSync(run).isDirectory() ? join(run, traceFileName) : run;
  try {
    return await readTrace(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot read the trace ${path}: ${why}; hotfire replay --trace --report DIR makes one`);
  }
}

/** What the reports beside the traces say of a reason: another seed, commit, Node or scenario. */
function settingsThatDiffer(a: string, b: string): string[] {
  const [first, second] = [reportOf(a), reportOf(b)];
  if (first === undefined || second === undefined) return [];
  return (
    (['seed', 'commit', 'nodeVersion', 'scenario'] as const)
      .filter((key) => first[key] !== second[key])
      // The scenario as it ran has the seed in it.
      .filter((key) => key !== 'scenario' || first.seed === second.seed)
      .map((key) => (key === 'scenario' ? 'the scenarios differ' : `${key}: ${first[key]} in a, ${second[key]} in b`))
  );
}

function reportOf(run: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')) as RunRecord; // as writeReport wrote it
  } catch {
    return undefined; // a trace without its report: the events alone are compared
  }
}
