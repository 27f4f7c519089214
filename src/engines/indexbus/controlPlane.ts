import { Gauge } from 'prom-client';
import type { Host } from '../../host/host.ts';
import type { Connection, Listener } from '../../host/network.ts';
import { FrameSplitter } from '../../wire/rpc/frames.ts';
import { type DaemonServices, EngineError, ExitCode, type RunningEngine } from '../engine.ts';
import { metricsRoute } from '../metricsRoute.ts';
import type { Route } from '../route.ts';
import { AgentList, agentStates } from './agents.ts';
import { type IndexbusConfig, indexbusConfigSchema, parseAddress, reloadInto, routerIdOf } from './config.ts';
import { type AgentDirectory, agentRoutes } from './http/agents.ts';
import { answering, ok } from './http/answer.ts';
import { jsonFrame, jsonOf, ReportFrame, reportBytesMax, reportSchema } from './report.ts';

/** Routers that report at the same time; one more is not listened to. */
const connectionsMax = 10_000;

/**
 * A control plane: hears the heartbeats of routers, and tells who is there. Its list is in memory: after a restart the next heartbeats fill
 * it again. @throws EngineError
 */
export async function startControlPlane(
  host: Host,
  config: IndexbusConfig,
  services: DaemonServices,
): Promise<RunningEngine> {
  const { logger, registry } = host.telemetry;
  const agents = new AgentList();
  const views = () => agents.views(host.clock.now(), config.expected_agents, config.environment);
  const connections = new Set<Connection>();
  const stopped = Promise.withResolvers<void>();
  const address = parseAddress(config.control_plane.address);
  if (address === undefined) throw new Error('role control without an address passed its schema');
  let listener: Listener;
  try {
    listener = await host.network.listen(address, (connection) => {
      if (connections.size >= connectionsMax) return connection.destroy();
      connections.add(connection);
      void hear(connection)
        .catch((error: unknown) => {
          logger.warn('router not understood', { reason: error instanceof Error ? error.message : String(error) });
        })
        .finally(() => {
          connections.delete(connection);
          connection.destroy();
        });
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError('LISTEN_FAILED', ExitCode.io, `control_plane.address: ${reason}`, { cause: error });
  }
  logger.info('control plane', { address: `${listener.address.host}:${listener.address.port}` });

  async function hear(connection: Connection): Promise<void> {
    const splitter = new FrameSplitter(reportBytesMax);
    for (;;) {
      const bytes = await connection.read().catch(() => undefined);
      if (bytes === undefined) return;
      const reports: Uint8Array[] = [];
      splitter.push(bytes, (kind, payload) => {
        if (kind === ReportFrame.report) reports.push(payload.slice());
      });
      for (const payload of reports) {
        const report = reportSchema.parse(jsonOf(payload));
        agents.report(report, host.clock.now());
        const own = views().filter(({ environment }) => environment === report.environment);
        await connection.write(jsonFrame(ReportFrame.agents, own));
      }
    }
  }

  new Gauge({
    name: 'indexbus_agents',
    help: 'Routers of an environment, by state.',
    labelNames: ['region', 'router_id', 'segment', 'environment', 'state'] as const,
    registers: [registry],
    collect() {
      this.reset();
      const all = views();
      const own = { region: config.region, router_id: routerIdOf(config, host.name), segment: '' };
      for (const environment of new Set([config.environment, ...all.map((it) => it.environment)])) {
        for (const state of agentStates) {
          const count = all.filter((it) => it.environment === environment && it.state === state).length;
          this.set({ ...own, environment, state }, count);
        }
      }
    },
  });

  const directory: AgentDirectory = {
    agents: views,
    controlPlane: () => ({
      address: `${listener.address.host}:${listener.address.port}`,
      reachable: true,
      last_contact_ms: 0,
      round_trip_ms: 0,
      failure: '',
    }),
    own: { environment: config.environment, region: config.region },
  };
  const end = async (): Promise<void> => {
    await listener.close();
    for (const connection of connections) connection.destroy();
    registry.removeSingleMetric('indexbus_agents');
    stopped.resolve();
  };
  return {
    routes: [...controlHealth(host), ...agentRoutes(directory)].map(answering),
    stopped: stopped.promise,
    reload: (next) => reloadInto(config, indexbusConfigSchema.parse(next)),
    async drain() {
      await end();
      return { unfinished: [] };
    },
    close: end,
  };

  function controlHealth({ telemetry }: Host): readonly Route[] {
    const health = async () => {
      const checks = { reports: { status: 'ok', message: `${connections.size} routers are connected` } };
      return ok({ status: 'ok', version: services.version ?? '', checks });
    };
    const of = (path: string, summary: string): Route => ({
      method: 'GET',
      path,
      summary,
      role: 'none',
      handler: health,
    });
    return [
      metricsRoute(telemetry.registry),
      of('/health', 'How the control plane is.'),
      of('/health/live', '200 while the process answers.'),
      of('/health/ready', '200 while reports are heard.'),
    ];
  }
}
