import type { Clock, Millis } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import { type Context, inSpan } from '../../host/tracing.ts';
import type { NodeState } from './metrics.ts';

/** One step of a drain. */
export interface DrainStep {
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
}

export interface DrainReport {
  readonly state: NodeState;
  /** Names of the steps that did not end: empty when the node is drained. */
  readonly unfinished: readonly string[];
}

/** A step and what it does. */
export interface DrainWork {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

export interface DrainerOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly lameDuckMs: () => Millis;
  readonly timeoutMs: () => Millis;
  /** After the lame-duck time, in order. */
  readonly work: readonly DrainWork[];
}

/** How long the fault point `drain-slow-step` holds a step up. */
const SLOW_STEP_MS: Millis = 2_000;
const LAME_DUCK = 'lame-duck';

/**
 * Takes the node out of service: not ready at once, no writes after the lame-duck time, then the steps. It can be
 * cancelled at any moment. At the time-out it stops and names what is unfinished; nothing acknowledged depends on it.
 */
export class Drainer {
  readonly #options: DrainerOptions;
  #state: NodeState = 'serving';
  #refusesWrites = false;
  #steps: DrainStep[] = [];
  #running: { readonly report: Promise<DrainReport>; readonly cancel: () => void } | undefined;

  constructor(options: DrainerOptions) {
    this.#options = options;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** True once the lame-duck time is over. */
  get refusesWrites(): boolean {
    return this.#refusesWrites;
  }

  get steps(): readonly DrainStep[] {
    return this.#steps;
  }

  /** Begins a drain, or joins the one that runs or is over. Resolves when it is over, cancelled, or at its time-out. */
  start(): Promise<DrainReport> {
    if (this.#running !== undefined) return this.#running.report;
    let cancelled = false;
    let cancel: () => void = () => undefined;
    const cancellation = new Promise<void>((resolve) => {
      cancel = () => {
        cancelled = true;
        resolve();
      };
    });
    this.#state = 'draining';
    this.#steps = [LAME_DUCK, ...this.#options.work.map(({ name }) => name)].map((name) => ({
      name,
      state: 'waiting',
    }));
    this.#running = { report: this.#drain(() => cancelled, cancellation), cancel };
    return this.#running.report;
  }

  /** Back to serving. What a step has done stays done. */
  cancel(): void {
    this.#running?.cancel();
    this.#running = undefined;
    this.#state = 'serving';
    this.#refusesWrites = false;
    this.#steps = [];
  }

  async #drain(isCancelled: () => boolean, cancellation: Promise<void>): Promise<DrainReport> {
    const { clock, timeoutMs } = this.#options;
    const end = new AbortController();
    const timedOut = clock.sleep(timeoutMs(), end.signal).then(
      () => true,
      () => false,
    );
    const stop = Promise.race([timedOut, cancellation]);
    let stopped = false;
    void stop.then(() => {
      stopped = true;
    });
    await inSpan(this.#options.telemetry.tracer, 'drain', undefined, async (trace) => {
      await Promise.race([stop, this.#runSteps(() => stopped, end.signal, trace)]);
    });
    end.abort();
    if (isCancelled()) return { state: this.#state, unfinished: [] };
    const unfinished = this.#steps.filter(({ state }) => state !== 'done').map(({ name }) => name);
    this.#refusesWrites = true;
    if (unfinished.length === 0) this.#state = 'drained';
    else this.#options.telemetry.logger.warn('drain ended unfinished', { unfinished });
    return { state: this.#state, unfinished };
  }

  async #runSteps(isStopped: () => boolean, signal: AbortSignal, trace: Context | undefined): Promise<void> {
    const { clock, telemetry, lameDuckMs, work } = this.#options;
    const steps = this.#steps;
    const lameDuck: DrainWork = {
      name: LAME_DUCK,
      run: async () => {
        if (lameDuckMs() > 0) await clock.sleep(lameDuckMs(), signal);
        if (!isStopped()) this.#refusesWrites = true;
      },
    };
    for (const [i, step] of [lameDuck, ...work].entries()) {
      if (isStopped()) return;
      steps[i] = { name: step.name, state: 'running' };
      try {
        await inSpan(telemetry.tracer, `drain.${step.name}`, trace, async () => {
          if (telemetry.buggify('drain-slow-step')) await clock.sleep(SLOW_STEP_MS, signal);
          await step.run();
        });
        steps[i] = { name: step.name, state: 'done' };
      } catch (error) {
        if (isStopped()) return;
        const reason = error instanceof Error ? error.message : String(error);
        steps[i] = { name: step.name, state: 'failed', reason };
        telemetry.logger.warn('drain step failed', { step: step.name, reason });
      }
    }
  }
}
