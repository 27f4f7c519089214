import { existsSync } from 'node:fs';
import { Counter, collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import {
  type DaemonServices,
  type EngineDefinition,
  EngineError,
  ExitCode,
  type RunningEngine,
} from '../engines/engine.ts';
import type { Host } from '../host/host.ts';
import { loadConfig } from './config/load.ts';
import { describeError } from './describeError.ts';
import { hasHeapLimit } from './heapLimit.ts';
import { openApiRoute } from './http/openapi.ts';
import { probeAddress } from './http/probeAddress.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import { prepareSettings } from './http/settings.ts';
import { nextIncarnation } from './incarnation.ts';
import type { Notify } from './notify.ts';

export interface ServeOptions<Config> {
  readonly definition: EngineDefinition<Config>;
  /** YAML or TOML; without one the defaults and the environment. */
  readonly configFile?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Lets the engine make its state where there is none. */
  readonly init: boolean;
  /** What switches of the command line set, in the shape of the configuration file. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** What the engine is given beside its host. */
  readonly services?: DaemonServices;
  readonly createHost: (options: { readonly incarnation: number }) => Host;
  readonly notify: Notify;
  readonly version: string;
  /** What the code was built from. */
  readonly commit: string;
  /** How many log lines could not be written so far; without it none is ever dropped. */
  readonly logLinesDropped?: () => number;
  /** Which adapters are in force on this machine and why, for the line that tells of the start. */
  readonly adapters?: () => Readonly<Record<string, string>>;
  /** Told once, when requests are answered. */
  readonly onServing?: (server: HttpServer) => void;
}

/** What the outside asks of a daemon; the CLI wires signals to it. */
export interface DaemonSignals {
  /** Graceful end; the second one ends at once. */
  readonly onTerminate: (fn: () => void) => void;
  readonly onReload: (fn: () => void) => void;
  /** Something threw where nothing could catch it. */
  readonly onDefect: (fn: (error: unknown) => void) => void;
}

/**
 * Runs an engine as a daemon until it is told to stop, or cannot go on. Resolves to the exit code of the process.
 *
 * A mistake in the configuration or in the state is found before anything listens. From then on SIGTERM and SIGINT drain,
 * SIGHUP takes over what can change while running and keeps the old configuration if the new one is wrong.
 */
export async function serve<Config>(options: ServeOptions<Config>, signals: DaemonSignals): Promise<number> {
  const { definition, notify } = options;
  const load = () =>
    loadConfig(definition, {
      ...(options.configFile === undefined ? {} : { file: options.configFile }),
      environment: options.environment,
      overrides: { ...(options.init ? (definition.initOverrides ?? {}) : {}), ...options.overrides },
    });
  const loaded = load();
  const settings = prepareSettings(definition.server(loaded.config));
  const incarnation = nextIncarnation(definition.stateDirectory(loaded.config));
  const host = options.createHost({ incarnation: incarnation.number });
  const { logger, registry } = host.telemetry;
  // process_* and nodejs_*: memory, descriptors, garbage collection, lag of the event loop.
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: `${definition.environmentPrefix.toLowerCase()}_build_info`,
    help: 'What runs here; always 1.',
    labelNames: ['version', 'commit'] as const,
    registers: [registry],
  }).set({ version: options.version, commit: options.commit }, 1);
  countDroppedLines(options, registry);
  for (const warning of loaded.warnings) logger.warn('configuration', { warning });

  warnOfHeap(host, definition.heapBytes?.(loaded.config, host));

  let endOfDefect: (code: number) => void = () => {};
  const defect = new Promise<number>((resolve) => {
    endOfDefect = resolve;
  });
  signals.onDefect((error) => {
    logger.error('defect', describeError(error));
    endOfDefect(ExitCode.software);
  });

  // Without a listener the signal would end the process: one that comes during a long recovery is done after it.
  const serving = Promise.withResolvers<void>();
  let reloading = serving.promise;
  signals.onReload(() => {
    reloading = reloading.then(() => reload());
  });

  let engine: RunningEngine;
  try {
    // Where there is state the engine's own lock speaks first: it knows who has it.
    const state = definition.stateDirectory(loaded.config);
    if (state !== undefined && !existsSync(state)) await probeAddress(settings);
    engine = await definition.start(host, loaded.config, {
      ...options.services,
      version: options.version,
      checkAddress: () => probeAddress(settings),
    });
  } catch (error) {
    return lastWords(host, 'cannot start', error);
  }
  const notRecorded = incarnation.record();
  if (notRecorded !== undefined) logger.warn('incarnation not recorded', { reason: notRecorded });

  const routes = [...engine.routes];
  routes.push(
    openApiRoute(routes, { title: definition.name, description: definition.summary, version: options.version }),
  );
  let server: HttpServer;
  try {
    server = await startHttpServer({
      routes,
      settings,
      logger,
      onRefused: (refusal) => engine.refused?.(refusal),
    });
  } catch (error) {
    await engine.close();
    return lastWords(host, 'cannot serve', error);
  }

  const tell = async (...assignments: string[]) => {
    const failure = await notify(...assignments);
    if (failure !== undefined) logger.warn('service manager not told', { failure });
  };
  const reload = async () => {
    await tell('RELOADING=1', `MONOTONIC_USEC=${Math.round(host.clock.now() * 1000)}`);
    try {
      const next = load();
      const nextSettings = prepareSettings(definition.server(next.config));
      const { applied, needRestart } = engine.reload(next.config);
      if (!server.reload(nextSettings)) logger.warn('the address of the server changes with a restart only');
      for (const warning of next.warnings) logger.warn('configuration', { warning });
      logger.info('reloaded', { applied, needRestart });
    } catch (error) {
      logger.error('reload refused, the old configuration stays', {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
    await tell('READY=1');
  };
  const stop = stopper(engine, host, tell);
  const terminated = new Promise<number>((resolve) => {
    signals.onTerminate(() => void stop().then(resolve));
  });
  const stopped = engine.stopped.then(
    () => ExitCode.ok,
    (error: unknown) => lastWords(host, 'engine stopped', error),
  );

  logger.info('serving', {
    engine: definition.name,
    url: server.url,
    pid: host.pid,
    incarnation: host.incarnation,
    ...(options.adapters === undefined ? {} : { adapters: options.adapters() }),
    heapLimitBytes: host.memory?.heapLimitBytes,
  });
  options.onServing?.(server);
  await tell('READY=1', `STATUS=serving on ${server.url}`);
  serving.resolve();
  const code = await Promise.race([terminated, stopped, defect]);
  await server.close();
  logger.info('stopped', { exitCode: code });
  return code;
}

/** Says it where the heap may grow to something else than the configuration means: a flag of whoever started the process, or another system. */
function warnOfHeap({ memory, telemetry }: Host, wantedBytes: number | undefined): void {
  const limitBytes = memory?.heapLimitBytes;
  if (wantedBytes === undefined || limitBytes === undefined || hasHeapLimit(limitBytes, wantedBytes)) return;
  telemetry.logger.warn('the heap has another limit than the configuration gives it', { limitBytes, wantedBytes });
}

function countDroppedLines<Config>({ definition, logLinesDropped }: ServeOptions<Config>, registry: Registry): void {
  if (logLinesDropped === undefined) return;
  let counted = 0;
  new Counter({
    name: `${definition.environmentPrefix.toLowerCase()}_log_lines_dropped_total`,
    help: 'Log lines that standard output did not take: a full device, or a reader that is too slow.',
    registers: [registry],
    collect() {
      const now = logLinesDropped();
      this.inc(now - counted);
      counted = now;
    },
  });
}

/** First call: drains. Second call: closes at once. */
function stopper(
  engine: RunningEngine,
  host: Host,
  tell: (...assignments: string[]) => Promise<void>,
): () => Promise<number> {
  const { logger } = host.telemetry;
  let calls = 0;
  return async () => {
    calls++;
    if (calls > 2) return new Promise(() => {}); // the second call already ends it
    try {
      if (calls === 2) {
        logger.warn('told to stop again: ending without drain');
        await engine.close();
        return ExitCode.ok;
      }
      logger.info('draining');
      await tell('STOPPING=1', 'STATUS=draining');
      const { unfinished } = await engine.drain();
      if (unfinished.length > 0) logger.warn('drain left steps unfinished', { unfinished });
      return ExitCode.ok;
    } catch (error) {
      return lastWords(host, 'cannot stop in order', error);
    }
  };
}

/** Logs why the process ends, and says with which exit code. */
function lastWords(host: Host, message: string, error: unknown): number {
  const exitCode = error instanceof EngineError ? error.exitCode : ExitCode.software;
  const code = error instanceof EngineError ? error.code : 'DEFECT';
  // What an engine says of itself needs no stack; a defect does.
  const fields = error instanceof EngineError ? { reason: error.message } : describeError(error);
  host.telemetry.logger.error(message, { ...fields, code, exitCode });
  return exitCode;
}
