import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { LoopStat } from './loopStats.ts';
import { probeSeats } from './probing.ts';
import type { Serving } from './serving.ts';

/** Share of polls with work is taken over this span. */
const busyWindowMs: Millis = 1_000;

/**
 * Reads the counters of what is served, and of the generation that a roll has built, and looks at the holders of their seats, again and again until `signal`.
 *
 * @param serving what is served by then; undefined: nothing
 * @param building the generation beside it that a roll builds: who dies there has its seat until it is seen, however long the roll lasts
 */
export async function keepUp(
  host: Host,
  intervals: { readonly counter_sample_ms: Millis; readonly liveness_check_ms: Millis },
  serving: () => Serving | undefined,
  building: () => Serving | undefined,
  signal: AbortSignal,
): Promise<void> {
  const busy = new BusyShare();
  const every = async (ms: Millis, look: (serving: Serving) => void): Promise<void> => {
    while (!signal.aborted) {
      const now = serving();
      if (now !== undefined) look(now);
      await host.clock.sleep(ms, signal).catch(() => undefined);
    }
  };
  const sample = (now: Serving): void => {
    const at = host.clock.now();
    for (const it of [now, building()]) {
      it?.counters.tick();
      it?.recent.tick(at);
      it?.ages.tick(at);
    }
    busy.look(now, at);
  };
  const probe = (now: Serving): void => {
    probeSeats(now, host.telemetry);
    const next = building();
    if (next !== undefined) probeSeats(next, host.telemetry);
  };
  await Promise.all([every(intervals.counter_sample_ms, sample), every(intervals.liveness_check_ms, probe)]);
}

/** Share of the polls that had work, over the last second. */
class BusyShare {
  #of: Serving | undefined;
  #at: Millis = 0;
  #polls = 0;
  #busy = 0;

  look(serving: Serving, at: Millis): void {
    const { values } = serving.runner.stats;
    const polls = values[LoopStat.polls] ?? 0;
    const busy = values[LoopStat.busyPolls] ?? 0;
    // Another router counts from its own beginning.
    const isOther = this.#of !== serving;
    if (!isOther && at - this.#at < busyWindowMs) return;
    if (!isOther) serving.busyRatio = polls > this.#polls ? (busy - this.#busy) / (polls - this.#polls) : 0;
    this.#of = serving;
    this.#at = at;
    this.#polls = polls;
    this.#busy = busy;
  }
}
