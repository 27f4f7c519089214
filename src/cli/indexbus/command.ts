import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { busErrorStatus } from '../../engines/indexbus/errors.ts';
import { explanations } from '../../engines/indexbus/explain.ts';
import type { Bottleneck } from '../../engines/indexbus/http/bottleneck.ts';
import {
  agents,
  CommandUsage,
  detach,
  Exit,
  jsonText,
  lanes,
  listOf,
  type OperatorCommand,
  objectOf,
  ping,
  producers,
  type RegionHealth,
  type RouterClient,
  RouterError,
  roll,
  rolling,
  segmentPath,
  setLane,
  setProducer,
  triage,
} from '../../engines/indexbus/operatorCommands.ts';
import type { RollView } from '../../engines/indexbus/roller.ts';
import type { LaneView } from '../../engines/indexbus/views.ts';
import { nearestWord } from '../../host/nearest.ts';
import { positiveInteger, timerSeconds } from '../arguments.ts';
import { UsageError } from '../exit.ts';
import { printSlowly } from '../output.ts';
import { createRouterClient } from './client.ts';
import { inspectTarget } from './inspectTarget.ts';
import { tailTopic } from './tail.ts';
import {
  agentsText,
  lanesText,
  printable,
  printableLines,
  producersText,
  rollText,
  segmentText,
  type TopPart,
  type TopProducer,
  topParts,
  topText,
  triageText,
} from './text.ts';

interface CommonFlags {
  readonly url: string;
  readonly segment?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  /** Milliseconds, as every time that was read. */
  readonly requestTimeout: number;
  readonly json?: boolean;
}

/** `hotfire indexbus`: tools of the engine. */
export function indexbusCommand(): Command {
  return new Command('indexbus')
    .summary('tools of the indexbus engine: its lanes, producers, routers, segments')
    .description(
      'Tools of the indexbus engine. They ask a router over HTTP; inspect and tail attach to the segment itself.',
    )
    .addCommand(topCommand())
    .addCommand(triageCommand())
    .addCommand(lanesCommand())
    .addCommand(producersCommand())
    .addCommand(laneCommand())
    .addCommand(producerCommand())
    .addCommand(detachCommand())
    .addCommand(agentsCommand())
    .addCommand(pingCommand())
    .addCommand(rollCommand())
    .addCommand(rollingCommand())
    .addCommand(tailCommand())
    .addCommand(inspectCommand())
    .addCommand(explainCommand())
    .addHelpText(
      'after',
      `
Exit codes: 0 good; 1 bad, or refused by the router; 2 nobody answered; 64 usage; 65 (inspect) damaged, or no segment;
77 (inspect) another user's.
The environment sets the defaults of --url (INDEXBUS_URL) and --token-file (INDEXBUS_TOKEN_FILE).

Examples:
  $ hotfire indexbus top
  $ hotfire indexbus triage --url router-1:9109
  $ hotfire indexbus lane set 3 capacity=8192 drop=oldest
  $ hotfire indexbus agents --json`,
    );
}

/** A command that asks a router; `run` gives the exit code. */
function asking(
  name: string,
  summary: string,
  examples: readonly string[],
  run: (client: RouterClient, flags: CommonFlags, words: readonly string[], command: Command) => Promise<number>,
  words: readonly (readonly [string, string])[] = [],
): Command {
  const command = new Command(name)
    .summary(summary)
    .description(`${summary.slice(0, 1).toUpperCase()}${summary.slice(1)}.`);
  for (const [word, help] of words) command.argument(word, help);
  command
    .option('--url <url>', "the router's HTTP", process.env.INDEXBUS_URL ?? 'http://127.0.0.1:9109')
    .option('--segment <name>', 'segment of that router (default: the one it has)')
    .option('--token-file <file>', 'file whose first word is a token', process.env.INDEXBUS_TOKEN_FILE)
    .option('--ca <file>', 'authorities to trust, PEM')
    .addOption(seconds('--request-timeout <seconds>', 'how long one request may take', 10))
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExamples:${examples.map((words) => `\n  $ hotfire indexbus ${words}`).join('')}`);
  return command.action(async (...given: unknown[]) => {
    const flags = command.opts<CommonFlags>();
    const client = createRouterClient({
      url: flags.url,
      tokenFile: flags.tokenFile,
      caFile: flags.ca,
      timeoutMs: flags.requestTimeout,
    });
    // Commander calls with the arguments, the options and the command, in this order; a variadic argument is one list.
    const texts = given.slice(0, words.length).flat() as readonly string[];
    try {
      process.exitCode = await run(client, flags, texts, command);
    } catch (error) {
      if (error instanceof CommandUsage) throw new UsageError(error.message);
      if (!(error instanceof RouterError)) throw error;
      process.stderr.write(`${printable(`error: ${error.code}: ${error.message}`)}\n`);
      process.exitCode = error.exit;
    }
  });
}

/** An option of seconds; its value is in milliseconds. */
function seconds(words: string, help: string, standard: number): Option {
  return new Option(words, help).argParser(timerSeconds).default(standard * 1_000, String(standard));
}

function print(flags: Pick<CommonFlags, 'json'>, value: unknown, text: () => string): void {
  process.stdout.write(`${flags.json === true ? jsonText(value) : printableLines(text())}\n`);
}

function topCommand(): Command {
  const command = asking(
    'top',
    'show live lanes, the fullest first, producers, depths and rates',
    ['top', 'top --every 1', 'top --by producer,topic', 'top --once --json'],
    async (client, flags) => {
      const { every, once, by } = command.opts<{ every: number; once?: boolean; by?: string }>();
      const parts = partsOf(by);
      const { name, path } = await segmentPath(client, flags.segment);
      const isLive = process.stdout.isTTY && once !== true && flags.json !== true;
      for (;;) {
        const [counters, bottleneck, laneList, producerList, roll] = await Promise.all([
          client.ask<Record<string, number>>('GET', `${path}/counters`),
          client.ask<Bottleneck>('GET', `${path}/bottleneck`),
          client.ask<readonly LaneView[]>('GET', `${path}/lanes`),
          client.ask<readonly TopProducer[]>('GET', `${path}/producers`),
          client.ask<RollView | null>('GET', `${path}/roll`),
        ]);
        for (const answer of [counters, bottleneck]) objectOf(path, answer);
        const [lanes, producers] = [listOf(path, laneList), listOf(path, producerList)];
        const text =
          flags.json === true
            ? JSON.stringify({
                segment: name,
                counters,
                bottleneck,
                ...(parts.includes('lane') ? { lanes } : {}),
                ...(parts.includes('producer') || parts.includes('topic') ? { producers } : {}),
                roll,
              })
            : [
                ...(roll === null ? [] : [rollText(roll), '']),
                topText(name, counters, bottleneck, lanes, producers, parts),
              ].join('\n');
        await printSlowly(`${isLive ? '\u001b[2J\u001b[H' : ''}${printableLines(text)}\n`);
        if (once === true || (!isLive && flags.json !== true)) return Exit.good;
        await sleep(every);
      }
    },
  );
  return command
    .addOption(seconds('--every <seconds>', 'how often to look', 2))
    .option('--once', 'look once (as it does where nobody watches a terminal, unless --json streams)')
    .option('--by <list>', 'what to show, by commas: lane, producer, topic (default: lane,producer)');
}

/** What `--by` names; lanes and producers without it. */
function partsOf(by: string | undefined): readonly TopPart[] {
  if (by === undefined) return ['lane', 'producer'];
  return by.split(',').map((word) => {
    const part = topParts.find((it) => it === word.trim());
    if (part !== undefined) return part;
    throw new UsageError(`--by: expected a list of ${topParts.join(', ')}, got ${JSON.stringify(word)}`);
  });
}

/** The `run` of a command whose answer is printed. */
function printed<T>(ask: OperatorCommand<T>, text: (value: T) => string) {
  return async (
    client: RouterClient,
    flags: CommonFlags,
    words: readonly string[],
    command: Command,
  ): Promise<number> => {
    const { value, exit } = await ask(client, { words, segment: flags.segment, options: command.opts() });
    print(flags, value, () => text(value));
    return exit;
  };
}

function triageCommand(): Command {
  return asking(
    'triage',
    'say which side is the bottleneck, by what evidence, and what to do next',
    ['triage', 'triage --json'],
    printed(triage, triageText),
  );
}

function lanesCommand(): Command {
  return asking('lanes', 'list the lanes: process, depth, age, limits, verdict', ['lanes'], printed(lanes, lanesText));
}

function producersCommand(): Command {
  return asking(
    'producers',
    'list the producers: process, depth, slots, limits',
    ['producers'],
    printed(producers, producersText),
  );
}

function laneCommand(): Command {
  const set = asking(
    'set',
    'change a lane while it lives: lane, drop, capacity, credit_limit, detach_after_ms',
    ['lane set 3 capacity=8192', 'lane set c1 lane=nonblocking drop=oldest', 'lane set 3 credit_limit=none'],
    printed(setLane, (view) => lanesText([view])),
    [
      ['<lane>', 'its number (amid a roll 3@1, of generation 1), or the name of its consumer'],
      ['<changes...>', 'key=value'],
    ],
  );
  return new Command('lane')
    .summary('change a lane')
    .description('Changes a lane.')
    .addCommand(set)
    .addHelpText('after', '\nExamples:\n  $ hotfire indexbus lane set 3 capacity=8192');
}

function producerCommand(): Command {
  const set = asking(
    'set',
    'limit a producer: credit_limit in messages, rate_limit in messages a second',
    ['producer set 0 rate_limit=50000', 'producer set feed credit_limit=none'],
    printed(setProducer, (view) => producersText([view])),
    [
      ['<seat>', 'its number (amid a roll 0@1, of generation 1), or its name'],
      ['<changes...>', 'key=value'],
    ],
  );
  return new Command('producer')
    .summary('limit a producer')
    .description('Limits a producer.')
    .addCommand(set)
    .addHelpText('after', '\nExamples:\n  $ hotfire indexbus producer set 0 rate_limit=50000');
}

function detachCommand(): Command {
  return asking(
    'detach',
    'take a lane from its consumer, which gets IB_FENCED',
    ['detach 3', 'detach c1'],
    printed(detach, (view) => `lane ${view.lane_number}: ${view.state}`),
    [['<lane>', 'its number (amid a roll 3@1, of generation 1), or the name of its consumer']],
  );
}

function agentsCommand(): Command {
  const command = asking(
    'agents',
    'list the routers of an environment',
    ['agents', 'agents --environment production --url control-plane:9109', 'agents --json'],
    printed(agents, agentsText),
  );
  return command.option('--environment <name>', 'environment', 'default');
}

function pingCommand(): Command {
  const command = asking(
    'ping',
    'say whether the control plane is reached from a region, and how its routers are',
    ['ping --region eu --url router-1:9109', 'ping --region eu --url control-plane:9109 --json'],
    printed(ping, pingText),
  );
  return command.requiredOption('--region <name>', 'region');
}

function pingText({ region, status, routers, control_plane: plane }: RegionHealth): string {
  const trip = plane?.round_trip_ms;
  const contact =
    plane === null
      ? 'this router reports to no control plane'
      : plane.reachable
        ? `control plane ${plane.address} answers${trip === null || trip === undefined ? '' : ` in ${trip.toFixed(1)} ms`}`
        : `control plane ${plane.address} is not reached: ${plane.failure}`;
  return [`region ${region}: ${status}`, contact, '', agentsText(routers)].join('\n');
}

function rollCommand(): Command {
  const command = asking(
    'roll',
    'build the next generation of the segment, with new sizes; participants move there',
    ['roll slots_per_producer=16384', 'roll lane_ring=65536 slot_bytes=512', 'roll lanes_max=32 --patience 60'],
    printed(
      roll,
      ({ segment, generation }) =>
        `${segment}: generation ${generation} is being built; hotfire indexbus rolling says what it waits for`,
    ),
    [['[sizes...]', 'key=value: producers_max, lanes_max, slots_per_producer, slot_bytes, lane_ring, topics_max']],
  );
  return command.option(
    '--patience <seconds>',
    'how long a consumer that works is waited for; what it has not read then its group has, or it is lost (default: as long as it works)',
  );
}

function rollingCommand(): Command {
  return asking(
    'rolling',
    'say what the roll that is under way waits for, since when, and what is left',
    ['rolling', 'rolling --json'],
    printed(rolling, (view) => (view === null ? 'no roll is under way' : rollText(view))),
  );
}

function tailCommand(): Command {
  const command = new Command('tail')
    .summary('print the messages of a topic as they come')
    .description(
      'Prints the messages of a topic, or of a pattern, as they come: takes a lane that does not block and loses what it cannot keep up with. Ends with 0 at a signal, and leaves nothing behind.',
    )
    .argument('<topic>', 'topic or pattern: orders.created, orders.>')
    .option('--segment <name>', 'segment', 'bus')
    .option('--directory <path>', "the segment's directory, where it is not the machine's own")
    .option('--group <name>', "the segment's group, where another user made it")
    .option('--count <n>', 'end after so many messages', positiveInteger)
    .option('--json', 'print a JSON line a message, its payload in base64')
    .addHelpText(
      'after',
      `\nExamples:\n  $ hotfire indexbus tail 'orders.>'\n  $ hotfire indexbus tail orders.created --count 10 --json`,
    );
  return command.action(async (topic: string) => {
    const flags = command.opts<{
      segment: string;
      directory?: string;
      group?: string;
      count?: number;
      json?: boolean;
    }>();
    process.exitCode = await tailTopic(topic, { ...flags, host: hostname() });
  });
}

function inspectCommand(): Command {
  const command = new Command('inspect')
    .summary('read a segment, or a copy of one, without taking part')
    .description('Reads a segment, or a file that is a copy of one, without taking part: also of a dead router.')
    .argument('<segment>', 'name of a segment; or a file: what has a / in it, or a file of this directory')
    .option('--directory <path>', "the segment's directory, where it is not the machine's own")
    .option('--group <name>', "the segment's group, where another user made it")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire indexbus inspect bus\n  $ hotfire indexbus inspect ./bus.copy --json',
    );
  return command.action(async (target: string) => {
    const flags = command.opts<{ directory?: string; group?: string; json?: boolean }>();
    const description = await inspectTarget(target, flags.directory, flags.group);
    print(flags, description, () => segmentText(description));
    if (description.problems.length > 0) process.exitCode = Exit.bad;
  });
}

function explainCommand(): Command {
  const command = new Command('explain')
    .summary('say what an error code means, and what is done about it')
    .description('Says what an error code means, and what is done about it.')
    .argument('<code>', 'IB_FENCED, or FENCED')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ hotfire indexbus explain IB_NO_SEAT');
  return command.action((given: string) => {
    const wanted = given.toUpperCase().startsWith('IB_') ? given.toUpperCase() : `IB_${given.toUpperCase()}`;
    const entry = Object.entries(explanations).find(([code]) => code === wanted);
    if (entry === undefined) {
      const nearest = nearestWord(wanted, Object.keys(busErrorStatus));
      const hint =
        nearest === undefined
          ? `expected one of ${Object.keys(busErrorStatus).join(', ')}`
          : `did you mean ${nearest}?`;
      throw new UsageError(`no code ${given}; ${hint}`);
    }
    const [code, { means, do: todo }] = entry;
    const flags = command.opts<{ json?: boolean }>();
    print(flags, { code, means, do: todo }, () => `${code}\n  ${means}\n  ${todo}`);
  });
}
