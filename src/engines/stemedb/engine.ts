import type { Host } from '../../host/host.ts';
import { type EngineDefinition, EngineError, ExitCode, type RunningEngine, type ServerSettings } from '../engine.ts';
import { type StemeConfig, stemeConfigSchema } from './config.ts';
import { adminRoutes } from './http/admin.ts';
import { writeRoutes } from './http/assert.ts';
import { batchRoutes } from './http/batch.ts';
import { healthRoutes } from './http/health.ts';
import { queryRoutes } from './http/query.ts';
import { countRefusal, finishRoute, type HttpContext } from './http/request.ts';
import { Jobs } from './jobs.ts';
import { stemedbPoints } from './points.ts';
import type { StemeNode } from './stemeNode.ts';
import { openStemeNode } from './store.ts';

/** How long a drain waits for the log to close once its steps are over or its time is. */
const CLOSE_MS = 5_000;

/** A running store, with the library's door to it. */
export interface RunningStemeDb extends RunningEngine {
  readonly db: StemeNode;
}

/** Starts a store and its routes. @throws EngineError */
export async function startStemeDb(host: Host, config: StemeConfig): Promise<RunningStemeDb> {
  const db = await openStemeNode(host, config);
  const context: HttpContext = { clock: host.clock, tracer: host.telemetry.tracer, db };
  const jobs = new Jobs(host.clock, host.telemetry.logger);
  const routes = [
    ...writeRoutes(context),
    ...batchRoutes(context),
    ...queryRoutes(context),
    ...healthRoutes(context, host.telemetry.registry),
    ...adminRoutes(context, jobs),
  ].map((route) => finishRoute(context, route));

  let resolveStopped: () => void = () => undefined;
  let rejectStopped: (reason: EngineError) => void = () => undefined;
  const stopped = new Promise<void>((resolve, reject) => {
    resolveStopped = resolve;
    rejectStopped = reject;
  });
  // Whoever runs the engine waits for it; until then a rejection must not end the process by another way.
  stopped.catch(() => undefined);
  db.journal.onState((state, why) => {
    const { logger } = host.telemetry;
    const isOrderly = state === 'open' || state === 'closed';
    if (isOrderly) logger.info('log state', { state, why });
    else logger.warn('log state', { state, why });
    if (state === 'failed' && config.wal.on_sync_failure === 'exit') {
      rejectStopped(
        new EngineError('WAL_FAILED', ExitCode.io, `the log failed: ${why}; wal.on_sync_failure is "exit"`),
      );
    }
  });

  async function close(): Promise<void> {
    await db.close();
    resolveStopped();
  }

  return {
    db,
    routes,
    refused: (refusal) => countRefusal(context, refusal),
    stopped,
    reload: (next) => db.reconfigure(stemeConfigSchema.parse(next)),
    async drain() {
      const { unfinished } = await db.drain();
      const enough = new AbortController();
      const closed = close().then(() => true);
      // A disk that hangs must not keep the process: what closing would write, a start makes good.
      const late = host.clock.sleep(CLOSE_MS, enough.signal).then(
        () => false,
        () => true,
      );
      const isClosed = await Promise.race([closed, late]).finally(() => enough.abort());
      return { unfinished: isClosed ? unfinished : [...unfinished, 'close'] };
    },
    close,
  };
}

function serverSettings({ server }: StemeConfig): ServerSettings {
  const { bind, max_body_bytes: maxBodyBytes, tls, tokens_file: tokensFile } = server;
  return {
    bind,
    maxBodyBytes,
    ...(tokensFile === undefined ? {} : { tokensFile }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            certFile: tls.cert,
            keyFile: tls.key,
            ...(tls.client_ca === undefined ? {} : { clientCaFile: tls.client_ca }),
          },
        }),
  };
}

/** The engine `stemedb`: a durable write-ahead log and the assertions in it. */
export const stemedb: EngineDefinition<StemeConfig> = {
  name: 'stemedb',
  summary: 'Append-only store of claims on a durable write-ahead log; contradictions are resolved when read.',
  configSchema: stemeConfigSchema,
  environmentPrefix: 'STEMEDB',
  environmentAliases: {
    STEMEDB_WAL_DIR: 'wal.dir',
    STEMEDB_DB_DIR: 'store.dir',
    STEMEDB_BIND_ADDR: 'server.bind',
  },
  stateDirectory: (config) => config.store.dir,
  initOverrides: { store: { create: 'if-missing' } },
  server: serverSettings,
  points: stemedbPoints,
  start: startStemeDb,
};
