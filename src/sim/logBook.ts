import type { Millis } from '../host/clock.ts';
import type { LogFields } from '../host/telemetry.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A line that a simulated process logged. */
export interface LogLine {
  readonly atMs: Millis;
  readonly machine: string;
  readonly incarnation: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** Lines that are kept; beyond it the oldest tenth goes. Subscribers see every line. */
const LINES_MAX = 100_000;

/** The log of every process of a world, in the order of virtual time. */
export class LogBook {
  readonly lines: LogLine[] = [];
  /** Lines that were forgotten. */
  dropped = 0;
  readonly #subscribers = new Set<(line: LogLine) => void>();

  add(line: LogLine): void {
    if (this.lines.length >= LINES_MAX) {
      this.lines.splice(0, LINES_MAX / 10);
      this.dropped += LINES_MAX / 10;
    }
    this.lines.push(line);
    for (const subscriber of this.#subscribers) subscriber(line);
  }

  /** Calls `fn` with every line from now on; returns how to stop. `fn` must not throw. */
  subscribe(fn: (line: LogLine) => void): () => void {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }
}
