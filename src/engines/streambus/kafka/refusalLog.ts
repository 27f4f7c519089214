import type { Clock, Millis } from '../../../host/clock.ts';
import type { Logger } from '../../../host/telemetry.ts';
import type { DoorRefusal } from './hooks.ts';

const everyMs: Millis = 10_000;

/** A connection that the door closes, as the log line shows it. */
export interface ClosedConnection {
  readonly connection: number;
  readonly client: string;
  readonly reason: DoorRefusal;
  readonly message: string;
}

/**
 * Logs `kafka connection closed`: a line in ten seconds for each reason, with the count of those left out before it. Anybody can open
 * connections and send garbage, and must not fill the log with it; the metric counts them all.
 */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #byReason = new Map<DoorRefusal, { readonly loggedAt: Millis; suppressed: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The door has closed a connection. */
  note(closed: ClosedConnection): void {
    const now = this.#clock.now();
    const last = this.#byReason.get(closed.reason);
    if (last !== undefined && now - last.loggedAt < everyMs) {
      last.suppressed += 1;
      return;
    }
    this.#logger.info('kafka connection closed', { ...closed, suppressed: last?.suppressed ?? 0 });
    this.#byReason.set(closed.reason, { loggedAt: now, suppressed: 0 });
  }
}
