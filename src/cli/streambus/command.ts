import { Command } from 'commander';
import { adminCommands } from '../../engines/streambus/admin/commands/all.ts';
import {
  type AdminCommand,
  CommandUsage,
  Exit,
  NoAnswer,
  Refused,
} from '../../engines/streambus/admin/commands/command.ts';
import { UsageError } from '../exit.ts';
import { createConsole } from './console.ts';
import { dumpSegmentCommand } from './dumpSegment.ts';
import { formatCommand } from './format.ts';
import { createHttpClient } from './httpClient.ts';

interface CommonFlags {
  readonly brokers: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly inventory?: string;
  readonly yes?: boolean;
  readonly requestTimeout: string;
}

/** `hotfire streambus`: tools of the engine. */
export function streambusCommand(): Command {
  const command = new Command('streambus')
    .summary('tools of the streambus engine: its cluster, topics, groups, limits, files')
    .description('Tools of the streambus engine. Any broker that answers is enough: it asks the others.');
  for (const admin of adminCommands.values()) command.addCommand(toCommander(admin));
  return command
    .addCommand(
      dumpSegmentCommand().addHelpText(
        'after',
        '\nExamples:\n  $ hotfire streambus dump-segment /var/lib/streambus/data/orders/partition-0/00000000000000000000.seg',
      ),
    )
    .addCommand(
      formatCommand().addHelpText(
        'after',
        '\nExamples:\n  $ hotfire streambus format --config /etc/streambus/broker.yaml',
      ),
    )
    .addHelpText(
      'after',
      `
Exit codes: 0 good; 1 bad, or refused by a broker; 2 undecided; 64 usage (also a file that is not there, or a question
that nobody is there to answer); 74 a disk that refuses; 78 configuration.
The environment sets the defaults of --brokers (STREAMBUS_BROKERS) and --token-file (STREAMBUS_TOKEN_FILE).

Examples:
  $ hotfire streambus cluster-health-check --brokers broker1:8080,broker2:8080
  $ hotfire streambus topics create orders --partitions 6 --replication 3
  $ hotfire streambus rolling-restart --inventory brokers.yaml --yes`,
    );
}

/** How each command is called, for its help. */
const examples: Readonly<Record<string, readonly string[]>> = {
  'cluster-health-check': ['--brokers broker1:8080,broker2:8080', '--watch 10 --for 30m', "--json | jq '.findings[]'"],
  'check-quorum': ['--brokers broker1:8080', '--json'],
  'verify-data-integrity': ['--brokers broker1:8080', "--json | jq '.partitions[].problems[]'"],
  'check-data-integrity': ['--brokers broker1:8080'],
  'diagnose-latency': ['--brokers broker1:8080', "--json | jq '.slow'"],
  topics: [
    'list',
    "describe orders --json | jq '.partition_list[].leader'",
    'create orders --partitions 6 --replication 3',
  ],
  groups: ['list', 'describe billing', "describe billing --json | jq '[.partitions[].lag] | add'"],
  quotas: ['show', 'show --json', 'set --default produce_rate=10000'],
  readonly: ['show --json', 'on --broker 2', 'off --cluster'],
  users: ['list', 'set alice --password-file secret'],
  'rolling-restart': ['--inventory brokers.yaml', '--inventory brokers.yaml --yes'],
  'force-election': ['--broker 2'],
};

/** A command of the engine as one of the command line, with the options that all have. */
function toCommander(admin: AdminCommand): Command {
  const command = new Command(admin.name).summary(admin.summary).description(`${capitalized(admin.summary)}.`);
  if (admin.words !== '') command.argument('[words...]', admin.words);
  for (const { name, value, help } of admin.options) {
    command.option(value === undefined ? `--${name}` : `--${name} ${value}`, help);
  }
  command
    .option(
      '--brokers <list>',
      'host:port of HTTP, separated by commas',
      process.env.STREAMBUS_BROKERS ?? 'localhost:8080',
    )
    .option('--token-file <file>', 'file whose first word is a token', process.env.STREAMBUS_TOKEN_FILE)
    .option('--ca <file>', 'authorities to trust, PEM')
    .option('--request-timeout <seconds>', 'how long one request may take', '30')
    .option('--yes', 'do not ask before what disturbs or deletes; needed where there is no terminal to be asked at')
    .option('--inventory <file>', 'YAML of brokers and how each is restarted; default ssh and systemctl');
  const lines = (examples[admin.name] ?? ['']).map((words) =>
    `\n  $ hotfire streambus ${admin.name} ${words}`.trimEnd(),
  );
  command.addHelpText('after', `\nExamples:${lines.join('')}`);
  return command.action(async (...given: unknown[]) => {
    // Commander calls with the arguments, the options and the command, in this order.
    const words = admin.words === '' ? [] : ((given[0] as readonly string[] | undefined) ?? []);
    const flags = command.opts<CommonFlags & Record<string, string | true>>();
    const seconds = Number(flags.requestTimeout);
    if (!(seconds > 0)) throw new UsageError(`--request-timeout: expected seconds, got ${flags.requestTimeout}`);
    const client = createHttpClient({
      brokers: flags.brokers.split(',').map((broker) => broker.trim()),
      tokenFile: flags.tokenFile,
      caFile: flags.ca,
      timeoutMs: seconds * 1_000,
    });
    const console = createConsole({ yes: flags.yes === true, inventory: flags.inventory });
    const options = Object.fromEntries(
      admin.options.flatMap(({ name }) => {
        const value = flags[camelCase(name)];
        return value === undefined ? [] : [[name, value]];
      }),
    );
    try {
      process.exitCode = await admin.run(client, console, { words, options });
    } catch (error) {
      if (error instanceof CommandUsage) throw new UsageError(error.message);
      if (error instanceof Refused) console.line(`✗ ${error.code}: ${error.message}`);
      else if (error instanceof NoAnswer) console.line(`✗ ${error.message}`);
      else throw error;
      process.exitCode = error instanceof Refused ? Exit.bad : Exit.undecided;
    }
  });
}

function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

function camelCase(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
