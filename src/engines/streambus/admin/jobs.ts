import type { Clock, EpochMillis } from '../../../host/clock.ts';
import type { Logger } from '../../../host/telemetry.ts';
import { AdminRefusal } from './answer.ts';

/** Jobs that are remembered; older ones that have ended are forgotten. At as many that run a new one is refused. */
const maxJobs = 100;

/** One long task that a request began. */
export interface Job {
  readonly job: string;
  readonly kind: string;
  readonly state: 'running' | 'done' | 'failed';
  /** 0 to 1. */
  readonly progress: number;
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
  readonly #stop = new AbortController();
  #count = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Begins a task. One of a kind runs at a time: asked for while it runs, it is that one.
   *
   * @throws AdminRefusal TOO_MANY_JOBS
   */
  start(kind: string, run: (progress: (share: number) => void, signal: AbortSignal) => Promise<unknown>): Job {
    const running = [...this.#jobs.values()].filter(({ state }) => state === 'running');
    const same = running.find((job) => job.kind === kind);
    if (same !== undefined) return same;
    if (running.length >= maxJobs) {
      throw new AdminRefusal(409, 'TOO_MANY_JOBS', `${maxJobs} jobs run already`, 'wait until one has ended');
    }
    const begun: Job = {
      job: `${kind}-${++this.#count}`,
      kind,
      state: 'running',
      progress: 0,
      started: this.#clock.wall(),
    };
    this.#jobs.set(begun.job, begun);
    for (const [name, { state }] of this.#jobs) {
      if (this.#jobs.size <= maxJobs) break;
      if (state !== 'running') this.#jobs.delete(name);
    }
    let progress = 0;
    const note = (change: Partial<Job>) => this.#jobs.set(begun.job, { ...begun, progress, ...change });
    const advance = (share: number) => {
      progress = Math.max(progress, Math.min(1, share));
      note({});
    };
    run(advance, this.#stop.signal).then(
      (result) => note({ state: 'done', progress: 1, ended: this.#clock.wall(), result }),
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#logger.warn('job failed', { job: begun.job, reason });
        note({ state: 'failed', ended: this.#clock.wall(), error: reason });
      },
    );
    return begun;
  }

  get(job: string): Job | undefined {
    return this.#jobs.get(job);
  }

  get running(): readonly Job[] {
    return [...this.#jobs.values()].filter(({ state }) => state === 'running');
  }

  /** The broker stops: what runs is told to end. */
  close(): void {
    this.#stop.abort(new Error('the broker stops'));
  }
}
