import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { z } from 'zod';
import type { Delivery } from '../checkers/conservation/messages.ts';
import type { Operation, Violation } from '../checkers/history.ts';
import { checkLinearizability, type Model } from '../checkers/linearizability.ts';
import { checkLog, type LogCheckOptions, logAnomalies } from '../checkers/log/checkLog.ts';
import { keyValueModel } from '../checkers/models/keyValue.ts';
import { lockModel } from '../checkers/models/lock.ts';
import { queueModel } from '../checkers/models/queue.ts';
import { casRegisterModel, registerModel } from '../checkers/models/register.ts';
import { drawFailure } from '../report/historyText.ts';
import { byteCount, duration, positiveInteger } from './arguments.ts';
import { readHistory } from './checkHistory.ts';
import { inWordsOf } from './checkWords.ts';
import { UsageError } from './exit.ts';
import { type HistoryCheck, historyChecks } from './historyChecks.ts';

interface CheckFlags {
  readonly model: string;
  readonly final?: string;
  readonly only?: string;
  readonly consumers: 'assign' | 'subscribe';
  readonly polledToEnd: boolean;
  readonly staleReads?: boolean;
  readonly delivery: Delivery;
  readonly clockError: number;
  readonly maxConfigurations: number;
  readonly maxMemory: number;
  readonly json?: boolean;
}

/** What a check found, whatever its kind. */
interface Finding {
  readonly verdict: 'held' | 'violated' | 'undecided';
  readonly lines: readonly string[];
  readonly violations: readonly Violation[];
}

// A model's state is its own affair: nothing here looks at one.
const models = new Map<string, Model<unknown>>([
  ['register', registerModel() as Model<unknown>],
  ['cas-register', casRegisterModel() as Model<unknown>],
  ['key-value', keyValueModel as Model<unknown>],
  ['queue', queueModel as Model<unknown>],
  ['lock', lockModel as Model<unknown>],
]);

/** `hotfire check`. */
export function checkCommand(): Command {
  return new Command('check')
    .summary('check a recorded history')
    .description(
      'Checks a history of client operations, whoever recorded it: one operation a line as JSON, with id, process, f, input,\n' +
        'outcome (ok, fail, info), output, invokedAt, completedAt, invokedOrder, completedOrder.',
    )
    .argument('<file>', 'the history, NDJSON; compressed with gzip if its name ends with .gz')
    .addOption(
      new Option('--model <name>', 'what the operations were done on')
        .choices([...models.keys(), 'log', ...historyChecks.keys()])
        .makeOptionMandatory(),
    )
    .option('--final <file>', 'set, list, messages, sums, replicas: the state at the end, JSON')
    .option('--only <checks>', 'of the checks of the model only these, with commas between them')
    .addOption(
      new Option('--consumers <how>', 'log: how consumers got their keys')
        .choices(['assign', 'subscribe'])
        .default('assign'),
    )
    .option('--no-polled-to-end', 'log: nobody read to the end, so what was not seen may still come')
    .option('--stale-reads', 'set, list: reads may be old; only the state at the end must hold what was acknowledged')
    .addOption(
      new Option('--delivery <promise>', 'messages: how often each comes out')
        .choices(['exactly-once', 'at-least-once', 'at-most-once'])
        .default('exactly-once'),
    )
    .option('--clock-error <duration>', 'lease: how far the clocks of holders may be wrong', duration, 0)
    .option(
      '--max-configurations <n>',
      'linearizability: give up a partition beyond so many configurations',
      positiveInteger,
      1_000_000,
    )
    .option('--max-memory <bytes>', 'linearizability: or before it takes more memory than this', byteCount, 512 << 20)
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Models: register, cas-register, key-value, queue and lock are checked for linearizability; log for the anomalies of
Jepsen's Kafka workload; the others for
${[...historyChecks].map(([name, { checks }]) => `  ${name.padEnd(10)}${checks.join(', ')}`).join('\n')}
docs/checkers.md has the words of each: its operations, its state at the end, and what its checks mean.

Exit codes: 0 held, 1 violated, 2 could not decide (also: nothing to look at), 64 usage.

Examples:
  $ hotfire check history.ndjson --model cas-register
  $ hotfire check history.ndjson --model log --consumers subscribe --json
  $ hotfire check history.ndjson --model set --final final.json
  $ hotfire check history.ndjson --model list --final final.json --only prefix,no-phantom`,
    )
    .action(async (file: string, flags: CheckFlags) => {
      const finding = check(await readHistory(file), flags);
      if (flags.json === true) {
        const { verdict, violations, lines } = finding;
        const reasons = verdict === 'undecided' ? { reasons: lines } : {};
        process.stdout.write(`${JSON.stringify({ file, model: flags.model, verdict, violations, ...reasons })}\n`);
      } else {
        for (const line of [...finding.lines, `${finding.verdict}: ${file} as ${flags.model}`])
          process.stdout.write(`${line}\n`);
      }
      process.exitCode = { held: 0, violated: 1, undecided: 2 }[finding.verdict];
    });
}

function check(recorded: readonly Operation[], flags: CheckFlags): Finding {
  const named = historyChecks.get(flags.model);
  const final = finalOf(flags, named);
  const only = onlyOf(flags, named);
  // Every model holds for nothing; a recorder that wrote nothing must not look like success.
  if (recorded.length === 0 && named?.final !== 'required') {
    return nothingToCheck('the history has no operations: there is nothing to check');
  }
  const model = models.get(flags.model);
  try {
    const operations = inWordsOf(flags.model, recorded);
    if (model !== undefined) return checkAgainst(operations, model, flags);
    if (named === undefined) return checkAsLog(operations, flags, only);
    const { staleReads = false, delivery, clockError } = flags;
    const looked = named.run(operations, final, { staleReads, delivery, clockErrorMs: clockError });
    const finding = findingOf(looked.violations, only);
    return looked.undecided !== undefined && finding.verdict === 'held' ? nothingToCheck(looked.undecided) : finding;
  } catch (error) {
    if (error instanceof z.ZodError) {
      throw new UsageError(`${flags.final} is no final state of ${flags.model}: ${z.prettifyError(error)}`);
    }
    // A model throws for an operation that it does not know, and says which.
    throw new UsageError(`this is no history of a ${flags.model}: ${messageOf(error)}`);
  }
}

/** What the file of `--final` holds. */
function finalOf({ model, final }: CheckFlags, named: HistoryCheck | undefined): unknown {
  const takes = named?.final ?? 'none';
  if (final === undefined) {
    if (takes === 'required') throw new UsageError(`--model ${model} expects --final with the state at the end`);
    return undefined;
  }
  if (takes === 'none') throw new UsageError(`--model ${model} takes no --final: its checks need the history alone`);
  try {
    return JSON.parse(readFileSync(final, 'utf8'));
  } catch (error) {
    throw new UsageError(`${final}: ${messageOf(error)}`);
  }
}

/** The checks that `--only` leaves; undefined: all. */
function onlyOf({ model, only }: CheckFlags, named: HistoryCheck | undefined): ReadonlySet<string> | undefined {
  if (only === undefined) return undefined;
  const known: readonly string[] = named?.checks ?? (model === 'log' ? logAnomalies : ['linearizable']);
  const wanted = only.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown === undefined) return new Set(wanted);
  throw new UsageError(
    `--only: ${model} has no check ${JSON.stringify(unknown)}, expected some of ${known.join(', ')}`,
  );
}

function checkAgainst(
  operations: readonly Operation[],
  model: Model<unknown>,
  { maxConfigurations, maxMemory }: CheckFlags,
): Finding {
  const limits = { maxConfigurations, maxBytes: maxMemory };
  const { verdict, failures, configurations, tableBytes } = checkLinearizability(operations, model, limits);
  const reached = `${configurations} configurations, ${Math.ceil(tableBytes / 2 ** 20)} MiB`;
  return {
    verdict: ({ linearizable: 'held', illegal: 'violated', unknown: 'undecided' } as const)[verdict],
    lines: failures.flatMap((failure) =>
      failure.verdict === 'unknown'
        ? [
            `partition ${failure.partition}: the search reached its bound (${reached}); raise --max-configurations and --max-memory to go on`,
          ]
        : drawFailure(operations, failure),
    ),
    violations: failures
      .filter((failure) => failure.verdict === 'illegal')
      .map((failure) => ({
        check: 'linearizable',
        message: `partition ${failure.partition}: ${failure.longestPrefix.length} ${failure.longestPrefix.length === 1 ? 'operation' : 'operations'} can be put in order, then none of ${failure.stuck.length}`,
        operations: failure.stuck,
        evidence: failure,
      })),
  };
}

function checkAsLog(
  operations: readonly Operation[],
  { consumers, polledToEnd }: CheckFlags,
  only: ReadonlySet<string> | undefined,
): Finding {
  const options: LogCheckOptions = { consumers, polledToEnd };
  return findingOf(checkLog(operations, options), only);
}

function findingOf(found: readonly Violation[], only: ReadonlySet<string> | undefined): Finding {
  const violations = found.filter(({ check: name }) => only?.has(name) !== false);
  return {
    verdict: violations.length === 0 ? 'held' : 'violated',
    lines: violations.flatMap(({ check: name, message, operations = [] }) => [
      `${name}: ${message}`,
      ...(operations.length === 0 ? [] : [`  operations ${operations.join(', ')}`]),
    ]),
    violations,
  };
}

function nothingToCheck(why: string): Finding {
  return { verdict: 'undecided', lines: [why], violations: [] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
