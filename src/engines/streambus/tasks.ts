import type { Clock, Millis } from '../../host/clock.ts';
import type { TaskView } from './admin/context.ts';

/** A task that is under way. */
export interface RunningTask {
  /** What it waits for now. */
  state: string;
  /** It is over. */
  end(): void;
}

interface Entry {
  readonly what: string;
  readonly where: string;
  readonly by: string;
  state: string;
  sinceMs: Millis;
}

/**
 * What is under way in a broker, for GET /debug/pprof/goroutine: tasks that say when they begin and end, and sources that are asked for
 * theirs when somebody looks, so that what is frequent costs nothing.
 */
export class TaskRegistry {
  readonly #clock: Clock;
  readonly #running = new Set<Entry>();
  readonly #sources = new Set<() => readonly TaskView[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a task: `what` it does, `where` in the code, `by` whom it was created. */
  begin(what: string, where: string, by: string): RunningTask {
    const clock = this.#clock;
    const entry: Entry = { what, where, by, state: 'running', sinceMs: clock.now() };
    this.#running.add(entry);
    return {
      get state() {
        return entry.state;
      },
      set state(state: string) {
        entry.state = state;
        entry.sinceMs = clock.now();
      },
      end: () => this.#running.delete(entry),
    };
  }

  /** Asked whenever somebody looks. Returns how to stop. */
  addSource(source: () => readonly TaskView[]): () => void {
    this.#sources.add(source);
    return () => this.#sources.delete(source);
  }

  list(): readonly TaskView[] {
    const now = this.#clock.now();
    const running = [...this.#running].map(
      ({ state, sinceMs, what, where, by }): TaskView => ({ state, forMs: now - sinceMs, what, where, by }),
    );
    return [...running, ...[...this.#sources].flatMap((source) => source())];
  }
}
