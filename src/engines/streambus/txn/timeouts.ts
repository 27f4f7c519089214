import type { Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';

/** Deadlines of open transactions, as the leader keeps them: in monotonic time, which no correction of the wall clock moves. */
export interface Timeouts {
  /** The transaction of this id has so long from now. */
  arm(transactionalId: string, ms: number): void;
  disarm(transactionalId: string): void;
  isDue(transactionalId: string): boolean;
  stop(): void;
}

/** How often they are looked at: how late an abort may be. */
const sweepMs = 1_000;

/** Calls `expire` for each id whose time is up, again at each look until it is disarmed. Without open transactions no timer runs. */
export function createTimeouts(host: Host, expire: (transactionalId: string) => void): Timeouts {
  const deadlines = new Map<string, number>();
  let timer: Timer | undefined;

  function look(): void {
    timer = undefined;
    const now = host.clock.now();
    for (const [id, deadline] of deadlines) if (now >= deadline) expire(id);
    if (deadlines.size > 0) timer = host.clock.timer(sweepMs, look);
  }

  return {
    arm(transactionalId, ms) {
      deadlines.set(transactionalId, host.clock.now() + ms);
      timer ??= host.clock.timer(sweepMs, look);
    },
    disarm: (transactionalId) => void deadlines.delete(transactionalId),
    isDue: (transactionalId) => host.clock.now() >= (deadlines.get(transactionalId) ?? Number.POSITIVE_INFINITY),
    stop: () => timer?.cancel(),
  };
}
