/** A request that took longer than the threshold, as `GET /admin/slow-queries` shows it. */
export interface SlowQuery {
  /** When it was answered: ISO 8601, UTC. */
  readonly at: string;
  /** Kafka's name of the API: `Produce`. */
  readonly api: string;
  readonly client_id: string;
  /** The slowest part of the request; null where it names none. */
  readonly topic: string | null;
  readonly partition: number | null;
  /** Time of work: deliberate waits are not in it. */
  readonly duration_ms: number;
  readonly journal_ms: number | null;
  readonly replicate_ms: number | null;
}

/** Limits of the log, read when they are needed: both can change while the broker runs. */
export interface SlowLogLimits {
  /** `slow_query.threshold`, milliseconds. */
  readonly threshold: number;
  /** `slow_query.size`, entries. */
  readonly size: number;
}

/** The last slow requests. Beyond `size` the oldest are forgotten. */
export class SlowLog {
  readonly #limits: () => SlowLogLimits;
  /** Oldest first, from `#from` on: what lies before is forgotten and cut off now and then. */
  #entries: SlowQuery[] = [];
  #from = 0;

  constructor(limits: () => SlowLogLimits) {
    this.#limits = limits;
  }

  isSlow(durationMs: number): boolean {
    return durationMs >= this.#limits().threshold;
  }

  add(entry: SlowQuery): void {
    this.#entries.push(entry);
    const { size } = this.#limits();
    this.#from = Math.max(this.#from, this.#entries.length - size);
    if (this.#from <= size) return;
    this.#entries = this.#entries.slice(this.#from);
    this.#from = 0;
  }

  /** Newest first. */
  entries(): readonly SlowQuery[] {
    return this.#entries.slice(this.#from).reverse();
  }
}
