import { availableParallelism, constants } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { campaignNamePattern } from '../chaos/queue/card.ts';
import { createThreadExecutor } from '../chaos/threadExecutor.ts';
import { ExitCode } from '../engines/engine.ts';
import { parseDuration } from '../faults/units.ts';
import { positiveInteger } from './arguments.ts';
import { campaignBuild } from './campaignBuild.ts';
import { type ChaosFlags, chaos, withChaosOptions } from './chaos.ts';
import { UsageError } from './exit.ts';
import { packageRoot } from './vocabulary.ts';

interface QueueFlags {
  readonly redis: string;
  readonly name: string;
  readonly silence: number;
}

interface RunFlags extends QueueFlags, ChaosFlags {
  readonly ahead: number;
  readonly fresh?: boolean;
}

interface WorkFlags extends QueueFlags {
  readonly jobs: number;
  readonly grace: number;
  readonly untilDone?: boolean;
}

/** `hotfire campaign`: chaos spread over machines. BullMQ and the Redis client are loaded by the two commands alone. */
export function campaignCommand(): Command {
  return new Command('campaign')
    .summary('chaos spread over machines, through a Redis')
    .description(
      'Spreads the runs of a chaos campaign over any number of machines. One process coordinates, the others work; between them is a Redis (6.2 or newer; with appendonly it may be restarted in between). The same seeds give the same findings as `hotfire chaos`.',
    )
    .addCommand(runCommand())
    .addCommand(workCommand())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire campaign run stemedb --redis redis://queue:6379 --seeds 10000\n  $ hotfire campaign work --redis redis://queue:6379 --jobs 8',
    );
}

function runCommand(): Command {
  return withQueueOptions(withChaosOptions(new Command('run')))
    .summary('coordinate: put runs in, gather results, print the summary')
    .description(
      'Puts the runs of a campaign into the queue, gathers each result once, and prints and writes what `hotfire chaos` would, with its exit codes. Killed or interrupted and started again with the same --name, it goes on where it was: results are kept in Redis until the campaign has ended and all is written (and for 7 days after its coordinator was last at work).',
    )
    .option('--ahead <n>', 'runs that lie in the queue unfinished at a time', positiveInteger, 64)
    .option('--fresh', 'forget what an earlier campaign of this name left')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire campaign run stemedb --redis redis://queue:6379 --seeds 10000 --keep-going --json chaos.json\n  $ HOTFIRE_REDIS_URL=rediss://queue:6379 HOTFIRE_REDIS_PASSWORD=… hotfire campaign run stemedb --name nightly',
    )
    .action(async (engine: string, flags: RunFlags) => {
      process.exitCode = await coordinate(engine, flags);
    });
}

function workCommand(): Command {
  return withQueueOptions(new Command('work'))
    .summary('work: take runs from the queue and play them')
    .description(
      'Takes runs of a campaign and plays them in worker threads. Told to end (SIGTERM, SIGINT) it takes no more, ends those under way, and after --grace or a second signal gives them back; a third one ends it at once. Killed, it loses nothing: its runs are given to others. A campaign of another commit or Node major is refused with 78.',
    )
    .option('--jobs <n>', 'runs at a time, each in a worker thread', positiveInteger, availableParallelism())
    .addOption(
      new Option('--grace <duration>', 'how long runs under way may take when told to end')
        .argParser(duration)
        .default(20_000, '20s'),
    )
    .option('--until-done', 'end with the campaign instead of waiting for the next of its name')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire campaign work --redis redis://queue:6379 --jobs 8\n  $ hotfire campaign work --redis redis://queue:6379 --name nightly --until-done',
    )
    .action(async (flags: WorkFlags) => {
      // At once: a connection to a Redis that is away would go on trying.
      process.exit(await work(flags));
    });
}

function withQueueOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--redis <url>', 'redis:// or rediss://, with user and password if need be (never printed)')
        .env('HOTFIRE_REDIS_URL')
        .default('redis://127.0.0.1:6379'),
    )
    .option('--name <name>', 'name of the campaign; workers work for one', campaignName, 'chaos')
    .addOption(
      new Option(
        '--silence <duration>',
        'a process that is silent for so long is taken for dead; the same for coordinator and workers',
      )
        .argParser(duration)
        .default(15_000, '15s'),
    )
    .addHelpText(
      'after',
      '\nEnvironment:\n  HOTFIRE_REDIS_URL       instead of --redis\n  HOTFIRE_REDIS_PASSWORD  password of the Redis, wins over one in the URL\n  HOTFIRE_COMMIT          commit that is run, wins over that of a checkout',
    );
}

async function coordinate(engine: string, flags: RunFlags): Promise<number> {
  const { createQueueExecutor, CampaignError } = await import('../chaos/queue/coordinator.ts');
  const address = await addressOf(flags);
  const { leave, opened } = leaveInTime(flags.silence);
  try {
    return await chaos(engine, flags, async () => {
      const executor = await createQueueExecutor({
        address,
        campaign: flags.name,
        build: campaignBuild(process.env),
        ahead: flags.ahead,
        silenceMs: flags.silence,
        fresh: flags.fresh === true,
        leave,
        say,
      });
      opened();
      return executor;
    });
  } catch (error) {
    if (error instanceof CampaignError) return complain(ExitCode.configuration, error.message);
    return complainOfRedis(error);
  }
}

/**
 * Told to end, a coordinator waits for the runs under way, which others play: not for ever, for they may have no worker. What
 * is not there after `waitMs` is left to the queue, where the same command finds it. Before the campaign is `opened` nothing
 * is under way, and it ends at once.
 */
function leaveInTime(waitMs: number): { readonly leave: AbortSignal; readonly opened: () => void } {
  const leave = new AbortController();
  let isOpen = false;
  const told = (signal: 'SIGINT' | 'SIGTERM') => {
    if (!isOpen) process.exit(128 + constants.signals[signal]);
    setTimeout(() => {
      say('the runs under way are left to the queue, results are kept: the same command goes on');
      leave.abort();
    }, waitMs).unref();
  };
  process.once('SIGINT', told).once('SIGTERM', told);
  return {
    leave: leave.signal,
    opened() {
      isOpen = true;
    },
  };
}

async function work(flags: WorkFlags): Promise<number> {
  const { workOnCampaign, BuildMismatch } = await import('../chaos/queue/worker.ts');
  const address = await addressOf(flags);
  const stop = new AbortController();
  const giveBack = new AbortController();
  const stopListening = onEverySignal((times) => {
    if (times > 2) process.exit(130);
    if (times === 2) giveBack.abort();
    if (times > 1) return;
    stop.abort();
    setTimeout(() => giveBack.abort(), flags.grace).unref();
    say('told to end: the runs under way end first; a second time gives them back, a third one ends at once');
  });
  try {
    const played = await workOnCampaign({
      address,
      campaign: flags.name,
      build: campaignBuild(process.env),
      executor: createThreadExecutor({ jobs: flags.jobs, packageRoot: packageRoot.href }),
      silenceMs: flags.silence,
      untilDone: flags.untilDone === true,
      stop: stop.signal,
      giveBack: giveBack.signal,
      say,
    });
    say(`${played} runs were played here`);
    // Told to end, it ended in order: for whoever manages it that is a success.
    return 0;
  } catch (error) {
    if (error instanceof BuildMismatch) return complain(ExitCode.configuration, error.message);
    return complainOfRedis(error);
  } finally {
    stopListening();
  }
}

/**
 * Calls `told` at each SIGINT and SIGTERM with how many there were. Never without a listener in between: a second signal
 * would end the process before it has given anything back. Returns how to listen no longer.
 */
function onEverySignal(told: (times: number) => void): () => void {
  let times = 0;
  const listener = () => told(++times);
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return () => {
    process.off('SIGINT', listener).off('SIGTERM', listener);
  };
}

async function addressOf(flags: QueueFlags) {
  const { parseRedisUrl, RedisError } = await import('../chaos/queue/connection.ts');
  try {
    return parseRedisUrl(flags.redis, process.env.HOTFIRE_REDIS_PASSWORD);
  } catch (error) {
    throw error instanceof RedisError ? new UsageError(error.message) : error;
  }
}

async function complainOfRedis(error: unknown): Promise<number> {
  const { RedisError } = await import('../chaos/queue/connection.ts');
  if (!(error instanceof RedisError)) throw error;
  return complain(error.kind === 'refused' ? ExitCode.configuration : ExitCode.io, error.message);
}

function complain(exitCode: number, message: string): number {
  process.stderr.write(`error: ${message}\n`);
  return exitCode;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function campaignName(text: string): string {
  if (!campaignNamePattern.test(text))
    throw new InvalidArgumentError(
      `expected up to 64 letters, digits, dots, dashes and underscores, got ${JSON.stringify(text)}.`,
    );
  return text;
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1_000)
    throw new InvalidArgumentError(`expected a duration from 1s, such as 15s, got ${JSON.stringify(text)}.`);
  return ms;
}
