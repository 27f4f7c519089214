import type { Clock, EpochMillis } from '../../host/clock.ts';
import type { Logger } from '../../host/telemetry.ts';

/** Jobs that are remembered; older ones that have ended are forgotten. */
const JOBS_KEPT = 100;

/** One long task that a request began. */
export interface Job {
  readonly job: string;
  readonly kind: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly started: EpochMillis;
  readonly ended?: EpochMillis;
  readonly result?: unknown;
  readonly error?: string;
}

/** Tasks that go on after their request was answered. */
export class Jobs {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #jobs = new Map<string, Job>();
  #count = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Begins a task; returns the name under which its state can be asked for. One of a kind runs at a time: asked for while it
   * runs, it is that one.
   */
  start(kind: string, run: () => Promise<unknown>): string {
    for (const known of this.#jobs.values()) if (known.kind === kind && known.state === 'running') return known.job;
    const job = `${kind}-${++this.#count}`;
    const begun = { job, kind, started: this.#clock.wall() };
    this.#jobs.set(job, { ...begun, state: 'running' });
    for (const [name, { state }] of this.#jobs) {
      if (this.#jobs.size <= JOBS_KEPT) break;
      if (state !== 'running') this.#jobs.delete(name);
    }
    run().then(
      (result) => this.#jobs.set(job, { ...begun, state: 'done', ended: this.#clock.wall(), result }),
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#logger.warn('job failed', { job, reason });
        this.#jobs.set(job, { ...begun, state: 'failed', ended: this.#clock.wall(), error: reason });
      },
    );
    return job;
  }

  get(job: string): Job | undefined {
    return this.#jobs.get(job);
  }
}
