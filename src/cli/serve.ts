import { availableParallelism, hostname } from 'node:os';
import { Command } from 'commander';
import { countBuffersAsHeap } from '../daemon/collector.ts';
import { type LoadedConfig, loadConfig } from '../daemon/config/load.ts';
import { startDedicatedThread } from '../daemon/dedicatedThread.ts';
import { limitHeap } from '../daemon/heapLimit.ts';
import { prepareSettings } from '../daemon/http/settings.ts';
import { createNotify } from '../daemon/notify.ts';
import { nodeOfCpu } from '../daemon/numaNodes.ts';
import { processUsage } from '../daemon/processUsage.ts';
import { type DaemonSignals, serve } from '../daemon/serve.ts';
import { packageCommit, packageVersion } from '../daemon/version.ts';
import type { EngineDefinition, ServeSwitch } from '../engines/engine.ts';
import { adaptersInForce } from '../real/adapters.ts';
import { createRealHost } from '../real/host.ts';
import { createLogDestination } from '../real/logDestination.ts';
import { memoryLimit } from '../real/memoryLimit.ts';
import { judgeMachine } from '../real/shm/judgeMachine.ts';
import { engineNamed } from './engineNamed.ts';
import { UsageError } from './exit.ts';
import { formatBytes } from './format.ts';

interface ServeFlags {
  readonly config?: string;
  readonly init?: boolean;
  readonly validateConfig?: boolean;
  readonly name?: string;
  readonly role?: string;
  readonly standby?: boolean;
  readonly strict?: boolean;
}

/** `hotfire serve`. */
export function serveCommand(): Command {
  return new Command('serve')
    .summary('run an engine as a daemon')
    .description(
      'Runs an engine as a daemon: HTTP routes, /metrics, /health, logs as JSON lines on standard output.\nSIGTERM and SIGINT drain and end it, a second one ends it at once. SIGHUP reloads the configuration.',
    )
    .argument('<engine>', 'name of the engine, such as stemedb')
    .option('--config <file>', 'configuration in YAML (.yaml, .yml, .json) or TOML (.toml); without it the defaults')
    .option('--init', 'let the engine make its state where there is none, also if the configuration forbids it')
    .option(
      '--validate-config',
      'check configuration, certificates, tokens and what the configuration asks of this machine, and end',
    )
    .option('--role <role>', 'indexbus: router, or control for a control plane')
    .option('--standby', 'indexbus: wait while another router has the segment, and go on when it is gone')
    .option('--strict', 'indexbus: do not start where the machine refuses what the configuration asks of it')
    .option(
      '--name <name>',
      "identity of this machine, the same after every restart (default: the machine's host name)",
    )
    .addHelpText(
      'after',
      `
The environment wins over the file: STEMEDB_<SECTION>_<KEY>, so STEMEDB_WAL_SEGMENT_BYTES sets wal.segment_bytes.

Exit codes: 0 stopped when told to, 64 usage, 65 data are damaged, 70 a defect, or a journal that failed, 71 a port is
taken (streambus), 73 another process has the directory, 74 disk or network failed, or a port is taken (stemedb,
indexbus), 75 another router has the segment (indexbus), 77 the directory may not be written, or the machine does not give what --strict asks for, 78 configuration.

Examples:
  $ hotfire serve stemedb --config /etc/stemedb/api.toml
  $ hotfire serve stemedb --config /etc/stemedb/api.toml --validate-config
  $ hotfire serve indexbus --config /etc/indexbus/router.yaml --standby
  $ hotfire serve indexbus --config /etc/indexbus/control.yaml --role control
  $ STEMEDB_WAL_DIR=/tmp/s/wal STEMEDB_DB_DIR=/tmp/s/db hotfire serve stemedb`,
    )
    .action(async (name: string, flags: ServeFlags) => {
      const definition = engineNamed(name);
      if (flags.validateConfig === true) validate(definition, flags);
      else process.exit(await run(definition, flags));
    });
}

/** What the switches set that only some engines have. @throws UsageError where this one does not have them */
function switchesOf(definition: EngineDefinition, flags: ServeFlags): Readonly<Record<string, unknown>> {
  const names: readonly ServeSwitch[] = ['role', 'standby', 'strict'];
  const given = names.filter((name) => flags[name] !== undefined);
  const foreign = given.find((name) => definition.switches?.includes(name) !== true);
  if (foreign !== undefined) throw new UsageError(`--${foreign} means nothing to ${definition.name}`);
  return Object.fromEntries(given.map((name) => [name, flags[name]]));
}

function load(definition: EngineDefinition, flags: ServeFlags): LoadedConfig<unknown> {
  return loadConfig(definition, {
    ...(flags.config === undefined ? {} : { file: flags.config }),
    environment: process.env,
    overrides: { ...(flags.init === true ? (definition.initOverrides ?? {}) : {}), ...switchesOf(definition, flags) },
  });
}

function validate(definition: EngineDefinition, flags: ServeFlags): void {
  const { config, warnings } = load(definition, flags);
  const settings = prepareSettings(definition.server(config));
  const doubts = definition.validate?.(config, { machine: judgeMachine }) ?? [];
  const bytes = definition.machine?.(config).bytes;
  const memory = bytes === undefined ? '' : `, with ${formatBytes(bytes)} of shared memory`;
  for (const warning of [...warnings, ...doubts]) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(
    `${flags.config ?? 'defaults and environment'}: valid; would listen on ${settings.host}:${settings.port}${memory}\n`,
  );
}

/** How long the end of the process waits for its last log lines to be taken. */
const LAST_LINES_MS = 1_000;

async function run(definition: EngineDefinition, flags: ServeFlags): Promise<number> {
  if (definition.heapBytes !== undefined) {
    // Before anything is opened: it may be another process that goes on from here.
    limitHeap(definition.heapBytes(load(definition, flags).config, { memoryBytes: memoryLimit() }));
  }
  countBuffersAsHeap();
  const logs = createLogDestination(1);
  const code = await serve(
    {
      definition,
      ...(flags.config === undefined ? {} : { configFile: flags.config }),
      environment: process.env,
      init: flags.init === true,
      overrides: switchesOf(definition, flags),
      services: {
        startThread: startDedicatedThread,
        machine: judgeMachine,
        cores: availableParallelism(),
        processUsage,
        nodeOfCpu,
      },
      createHost: ({ incarnation }) =>
        createRealHost({
          name: flags.name ?? hostname(),
          incarnation,
          telemetry: { options: { destination: logs } },
        }),
      logLinesDropped: () => logs.dropped,
      notify: createNotify(process.env),
      adapters: adaptersInForce,
      version: packageVersion(),
      commit: packageCommit(),
    },
    processSignals,
  );
  await logs.flush(LAST_LINES_MS);
  return code;
}

const processSignals: DaemonSignals = {
  onTerminate: (fn) => {
    process.on('SIGTERM', fn);
    process.on('SIGINT', fn);
  },
  onReload: (fn) => {
    process.on('SIGHUP', fn);
  },
  onDefect: (fn) => {
    process.on('uncaughtException', fn);
    process.on('unhandledRejection', fn);
  },
};
