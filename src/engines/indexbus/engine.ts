import type { Host } from '../../host/host.ts';
import type { DaemonServices, EngineDefinition, RunningEngine, ServerSettings } from '../engine.ts';
import { BusNode } from './busNode.ts';
import { type IndexbusConfig, indexbusConfigSchema, wishesOf } from './config.ts';
import { startControlPlane } from './controlPlane.ts';
import { bodyBytesMax } from './http/answer.ts';
import { routerRoutes } from './http/routes.ts';
import { checkMachine } from './machineCheck.ts';
import { registerMetrics } from './metrics.ts';
import { indexbusPoints } from './points.ts';

/** A running router, with what it is made of. */
export interface RunningIndexbus extends RunningEngine {
  /** Undefined in role control. */
  readonly node: BusNode | undefined;
}

/** Starts a router with its segment, or a control plane. @throws EngineError */
export async function startIndexbus(
  host: Host,
  config: IndexbusConfig,
  services: DaemonServices = {},
): Promise<RunningIndexbus> {
  if (config.role === 'control') return { ...(await startControlPlane(host, config, services)), node: undefined };
  checkMachine(config, services);
  const node = new BusNode(host, config, services);
  await node.start();
  registerMetrics(node);
  return {
    node,
    routes: routerRoutes(node),
    stopped: node.stopped,
    reload: (next) => node.reload(indexbusConfigSchema.parse(next)),
    drain: () => node.drain(),
    close: () => node.close(),
  };
}

function serverSettings({ admin }: IndexbusConfig): ServerSettings {
  const { tls } = admin;
  return {
    bind: admin.listen,
    maxBodyBytes: bodyBytesMax,
    ...(admin.tokens_file === undefined ? {} : { tokensFile: admin.tokens_file }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            certFile: tls.cert,
            keyFile: tls.key,
            ...(tls.client_ca === undefined ? {} : { clientCaFile: tls.client_ca }),
          },
        }),
    keys: { host: 'admin.listen', tls: 'admin.tls', tokens: 'admin.tokens_file' },
  };
}

/** The engine `indexbus`: a message router in shared memory. */
export const indexbus: EngineDefinition<IndexbusConfig> = {
  name: 'indexbus',
  summary: 'Message router in shared memory: between processes of one machine, without a system call a message.',
  configSchema: indexbusConfigSchema,
  environmentPrefix: 'INDEXBUS',
  // Defaults of --url and --token-file.
  environmentElsewhere: ['INDEXBUS_URL', 'INDEXBUS_TOKEN_FILE'],
  stateDirectory: () => undefined,
  server: serverSettings,
  machine: wishesOf,
  validate: checkMachine,
  switches: ['role', 'standby', 'strict'],
  points: indexbusPoints,
  start: startIndexbus,
};
