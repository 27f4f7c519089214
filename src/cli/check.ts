import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { Operation, Violation } from '../checkers/history.ts';
import { checkLinearizability, type Model } from '../checkers/linearizability.ts';
import { checkLog, type LogCheckOptions } from '../checkers/log/checkLog.ts';
import { keyValueModel } from '../checkers/models/keyValue.ts';
import { lockModel } from '../checkers/models/lock.ts';
import { queueModel } from '../checkers/models/queue.ts';
import { casRegisterModel, registerModel } from '../checkers/models/register.ts';
import { historyFromNdjson } from '../checkers/recorder.ts';
import { drawFailure } from '../report/historyText.ts';
import { UsageError } from './exit.ts';

interface CheckFlags {
  readonly model: string;
  readonly consumers: 'assign' | 'subscribe';
  readonly polledToEnd: boolean;
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
    .argument('<file>', 'the history, NDJSON')
    .addOption(
      new Option('--model <name>', 'what the operations were done on')
        .choices([...models.keys(), 'log'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--consumers <how>', 'log: how consumers got their keys')
        .choices(['assign', 'subscribe'])
        .default('assign'),
    )
    .option('--no-polled-to-end', 'log: nobody read to the end, so what was not seen may still come')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Models: register, cas-register, key-value, queue and lock are checked for linearizability; log for the anomalies of
Jepsen's Kafka workload.

Exit codes: 0 held, 1 violated, 2 could not decide (also: no operations), 64 usage.

Examples:
  $ hotfire check history.ndjson --model cas-register
  $ hotfire check history.ndjson --model log --consumers subscribe --json`,
    )
    .action((file: string, flags: CheckFlags) => {
      const finding = check(readHistory(file), flags);
      if (flags.json === true) {
        const { verdict, violations } = finding;
        process.stdout.write(`${JSON.stringify({ file, model: flags.model, verdict, violations })}\n`);
      } else {
        for (const line of [...finding.lines, `${finding.verdict}: ${file} as ${flags.model}`])
          process.stdout.write(`${line}\n`);
      }
      process.exitCode = { held: 0, violated: 1, undecided: 2 }[finding.verdict];
    });
}

function readHistory(file: string): Operation[] {
  try {
    return historyFromNdjson(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function check(operations: readonly Operation[], flags: CheckFlags): Finding {
  // Every model holds for nothing; a recorder that wrote nothing must not look like success.
  if (operations.length === 0) {
    return {
      verdict: 'undecided',
      lines: ['the history has no operations: there is nothing to check'],
      violations: [],
    };
  }
  const model = models.get(flags.model);
  try {
    return model === undefined ? checkAsLog(operations, flags) : checkAgainst(operations, model);
  } catch (error) {
    // A model throws for an operation that it does not know, and says which.
    throw new UsageError(
      `this is no history of a ${flags.model}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function checkAgainst(operations: readonly Operation[], model: Model<unknown>): Finding {
  const { verdict, failures } = checkLinearizability(operations, model);
  return {
    verdict: ({ linearizable: 'held', illegal: 'violated', unknown: 'undecided' } as const)[verdict],
    lines: failures.flatMap((failure) =>
      failure.verdict === 'unknown'
        ? [`partition ${failure.partition}: the search reached its bound`]
        : drawFailure(operations, failure),
    ),
    violations: failures
      .filter((failure) => failure.verdict === 'illegal')
      .map(({ partition, longestPrefix, stuck }) => ({
        check: 'linearizable',
        message: `partition ${partition}: ${longestPrefix.length} operations can be put in order, then none of ${stuck.length}`,
        operations: stuck,
        evidence: { partition, longestPrefix, stuck },
      })),
  };
}

function checkAsLog(operations: readonly Operation[], { consumers, polledToEnd }: CheckFlags): Finding {
  const options: LogCheckOptions = { consumers, polledToEnd };
  const violations = checkLog(operations, options);
  return {
    verdict: violations.length === 0 ? 'held' : 'violated',
    lines: violations.map(({ check: name, message }) => `${name}: ${message}`),
    violations,
  };
}
