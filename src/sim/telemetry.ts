import { Registry } from 'prom-client';
import type { LogFields, Logger, Telemetry } from '../host/telemetry.ts';
import type { LogBook, LogLevel } from './logBook.ts';
import type { Probes } from './probes.ts';
import type { Trace } from './trace.ts';
import { SimTracer, type SpanOrigin } from './tracer.ts';

/** Who logs, and where to. */
interface LogOrigin {
  readonly machine: string;
  readonly incarnation: number;
  readonly traceName: string;
  readonly book: LogBook;
  readonly trace: Trace;
  readonly alive: () => boolean;
}

/** Telemetry of one simulated process: a registry and a tracer of its own, a log in the world's book. */
export function createSimTelemetry(origin: LogOrigin & SpanOrigin, probes: Probes): Telemetry {
  return {
    registry: new Registry(),
    // Never the global one, which the program around the simulator may have set.
    tracer: new SimTracer(origin),
    logger: createLogger(origin, {}),
    sometimes: (name, condition) => probes.sometimes(name, condition),
    buggify: (name) => probes.buggify(name),
    mutant: (name) => probes.mutant(name),
  };
}

function createLogger(origin: LogOrigin, bound: LogFields): Logger {
  const write = (level: LogLevel, message: string, fields?: LogFields): void => {
    if (!origin.alive()) return;
    const { book, trace, machine, incarnation } = origin;
    trace.note(`log ${level}`, origin.traceName, message);
    book.add({ atMs: trace.atMs, machine, incarnation, level, message, fields: { ...bound, ...fields } });
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    child: (fields) => createLogger(origin, { ...bound, ...fields }),
  };
}
