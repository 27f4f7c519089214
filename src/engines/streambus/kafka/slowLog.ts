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

/** The last slow requests, in a ring: beyond `capacity` the oldest is forgotten. */
export class SlowLog {
  readonly #ring: SlowQuery[] = [];
  readonly #capacity: number;
  #next = 0;
  #thresholdMs: number;

  constructor(thresholdMs: number, capacity: number) {
    this.#thresholdMs = thresholdMs;
    this.#capacity = capacity;
  }

  get thresholdMs(): number {
    return this.#thresholdMs;
  }

  /** Takes over a reloaded threshold. */
  setThreshold(ms: number): void {
    this.#thresholdMs = ms;
  }

  add(entry: SlowQuery): void {
    if (this.#capacity === 0) return;
    this.#ring[this.#next] = entry;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** Newest first. */
  entries(): readonly SlowQuery[] {
    const newestLast = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return newestLast.reverse();
  }
}
