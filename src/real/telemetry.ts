import { trace } from '@opentelemetry/api';
import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino';
import { Registry } from 'prom-client';
import type { LogFields, Logger, Telemetry } from '../host/telemetry.ts';
import { createLogDestination } from './logDestination.ts';
import { createRealProfiler } from './profiler.ts';

export interface RealTelemetryOptions {
  /** Lowest level that is written: `debug`, `info`, `warn`, `error`. Default `info`. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error';
  /** Where lines go. Default standard output. */
  readonly destination?: DestinationStream;
  /** Fields of every line. */
  readonly fields?: LogFields;
}

/** Telemetry of a production process: a registry, OpenTelemetry's global tracer, pino. Nothing is ever disturbed. */
export function createRealTelemetry(options: RealTelemetryOptions = {}): Telemetry {
  const settings = { level: options.level ?? 'info', base: { ...options.fields } };
  const logger = pino(settings, options.destination ?? createLogDestination(1));
  return {
    registry: new Registry(),
    tracer: trace.getTracer('hotfire'),
    logger: wrapLogger(logger),
    sometimes: () => {},
    buggify: () => false,
    mutant: () => false,
    profiler: createRealProfiler(),
  };
}

function wrapLogger(logger: PinoLogger): Logger {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrapLogger(logger.child({ ...fields })),
  };
}
