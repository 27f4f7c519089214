import type { Host } from '../../host/host.ts';
import type { EngineDefinition, RunningEngine, ServerSettings, TlsFileNames } from '../engine.ts';
import { isLoopback } from '../loopback.ts';
import type { GroupObserver } from './broker/observer.ts';
import { type StreamBusConfig, streamBusConfigSchema } from './config.ts';
import { exitCodeOf, StreamBusError } from './errors.ts';
import { heapBudget } from './memory.ts';
import { streamBusPoints } from './points.ts';
import type { TlsFiles } from './security/tlsFiles.ts';
import { createStreamBus, type StreamBus } from './streambus.ts';

/** A running broker, with the library's door to it. */
export interface RunningStreamBus extends RunningEngine {
  readonly bus: StreamBus;
}

/** What a broker is given beside its configuration. */
export interface StreamBusOptions {
  /** Is told of everything that the broker's groups do. */
  readonly observer?: GroupObserver;
}

/** Starts a broker. It is there, and answers on HTTP, before it has found or formed its cluster. @throws EngineError */
export async function startStreamBus(
  host: Host,
  config: StreamBusConfig,
  options: StreamBusOptions = {},
): Promise<RunningStreamBus> {
  const bus = createStreamBus(host, config, options);
  await bus.start();
  return {
    bus,
    routes: bus.routes,
    refused: ({ status }) => bus.metrics.httpFailed(status),
    stopped: bus.stopped,
    reload: (next) => bus.reload(streamBusConfigSchema.parse(next)),
    drain: () => bus.drain(),
    close: () => bus.stop(),
  };
}

function serverSettings({ server, security }: StreamBusConfig): ServerSettings {
  const { tls, token_file: tokensFile, allow_anonymous: allowAnonymous } = security.admin;
  const { inter_broker: brokers } = security;
  const host = server.host.includes(':') ? `[${server.host}]` : server.host;
  return {
    bind: `${host}:${server.http_port}`,
    maxBodyBytes: 1_048_576,
    // The runbook's commands are plain curl: a token is needed from elsewhere, TLS is the operator's choice.
    beyondLoopback: { tls: false, tokens: !allowAnonymous },
    ...(tokensFile === undefined ? {} : { tokensFile }),
    ...(tls === undefined ? {} : { tls: fileNames(tls) }),
    keys: {
      host: 'server.host',
      tls: 'security.admin.tls',
      tokens: 'security.admin.token_file',
      allowAnonymous: 'security.admin.allow_anonymous',
    },
    listenFailure: { code: 'PORT_IN_USE', exitCode: exitCodeOf('PORT_IN_USE'), key: 'server.http_port' },
    ownFiles: {
      tls: {
        ...(security.tls === undefined ? {} : { 'security.tls': fileNames(security.tls) }),
        ...(brokers.tls === undefined ? {} : { 'security.inter_broker.tls': fileNames(brokers.tls) }),
      },
      secrets: brokers.secret_file === undefined ? {} : { 'security.inter_broker.secret_file': brokers.secret_file },
    },
  };
}

function fileNames(files: TlsFiles): TlsFileNames {
  const { cert, key, client_ca: clientCa } = files;
  return { certFile: cert, keyFile: key, ...(clientCa === undefined ? {} : { clientCaFile: clientCa }) };
}

/**
 * Who reaches the brokers' own port can do whatever a broker can, and brokers pass administration on to each other: beyond loopback it
 * takes a secret, as HTTP takes a token. @throws StreamBusError CONFIG_INVALID
 */
function refuseOpenDoor({ server, security }: StreamBusConfig): void {
  const isOpen = security.inter_broker.secret_file === undefined && !security.admin.allow_anonymous;
  if (isLoopback(server.host) || !isOpen) return;
  throw new StreamBusError(
    'CONFIG_INVALID',
    `security.inter_broker.secret_file: expected a file with the secret of the brokers, since ${server.host}:${server.rpc_port} can be reached from elsewhere; or security.admin.allow_anonymous on a network that is trusted`,
  );
}

/** The engine `streambus`: a replicated log that speaks Kafka's protocol. */
export const streambus: EngineDefinition<StreamBusConfig> = {
  name: 'streambus',
  summary: "Replicated log over Raft that speaks Kafka's protocol.",
  configSchema: streamBusConfigSchema,
  environmentPrefix: 'STREAMBUS',
  // Defaults of --brokers and --token-file: whoever administrates from the broker's machine has them set.
  environmentElsewhere: ['STREAMBUS_BROKERS', 'STREAMBUS_TOKEN_FILE'],
  refusesMistypedEnvironment: true,
  environmentHints: {
    GOGC: 'GOGC has no effect: garbage is collected as server.max_memory needs it, 60 % of which the heap may take',
  },
  heapBytes: (config, host) => heapBudget(host, config),
  stateDirectory: (config) => config.storage.data_dir,
  server: serverSettings,
  validate: (config) => {
    refuseOpenDoor(config);
    return [];
  },
  points: streamBusPoints,
  start: (host, config) => {
    refuseOpenDoor(config);
    return startStreamBus(host, config);
  },
};
