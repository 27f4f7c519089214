import type { Tracer } from '@opentelemetry/api';
import type { Registry } from 'prom-client';
import type { Profiler } from './profiler.ts';

/** Fields of a log line: plain data. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A structured logger. Messages are constant texts that can be searched for; what varies goes into the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

/**
 * The names that a program gives to `sometimes` and `buggify`: data beside its code, so that a campaign can say of each that it
 * was never reached, also of one whose line no run ever came to.
 */
export interface DeclaredPoints {
  readonly probes: readonly string[];
  readonly faultPoints: readonly string[];
  /** Those of them that lose what was sent: they end where a run's faults do, for no bound on coming back holds under losses. */
  readonly losses?: readonly string[];
}

/** What a process tells the outside, and the points at which the simulator may disturb it. */
export interface Telemetry {
  /** The metrics of this process. */
  readonly registry: Registry;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /**
   * A probe: over a campaign of simulated runs, `condition` must be true here at least once. The campaign lists the
   * probes that were never reached. Free in production.
   */
  sometimes(name: string, condition: boolean): void;
  /**
   * A fault point: true when a rare but legal path should be taken here (a short batch, an early flush). In the
   * simulator each name is live in a quarter of the runs and then true a quarter of the time. Always false in production.
   */
  buggify(name: string): boolean;
  /**
   * True when the simulator has planted the bug of this name, to prove that the checkers see it. Always false in
   * production, where nothing can switch one on.
   */
  mutant(name: string): boolean;
  /** Profiles of this process; undefined in the simulator. */
  readonly profiler?: Profiler;
}
