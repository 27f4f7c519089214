import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { wakeRouter } from './bells.ts';
import type { RouterCommand } from './commands.ts';
import type { LoopStats } from './loopStats.ts';
import { type LoopRouter, type LoopSettings, RouterLoop } from './routerLoop.ts';
import type { RouterRunner } from './routerRunner.ts';
import type { Segment } from './segment.ts';

/** What a poll and a delivery cost in the simulator, in milliseconds of virtual time. */
const pollCostMs: Millis = 0.001;
const deliveryCostMs: Millis = 0.000_02;
/** Polls after which the thread's other work has its turn. */
const pollsPerTurn = 64;

/**
 * A router as a task of the thread that it shares: in the simulator, where each poll takes virtual time, and where there is no thread to be
 * had for it.
 */
export function startRouterTask(
  router: LoopRouter & { close(): void },
  segment: Segment,
  host: Pick<Host, 'clock' | 'telemetry'>,
  stats: LoopStats,
  settings: LoopSettings,
  options: { readonly sleepWithoutLook: boolean; readonly change: (command: RouterCommand) => void },
): RouterRunner {
  const isVirtual = segment.region.backing === 'sim';
  let stopping = false;
  const loop = new RouterLoop(router, segment, host, stats, settings, {
    isCalled: () => stopping,
    sleepWithoutLook: options.sleepWithoutLook,
  });

  async function run(): Promise<void> {
    for (;;) {
      let polls = 0;
      let taken = 0;
      do {
        // Between two awaits somebody may have closed the region.
        if (stopping) return;
        taken = loop.turn();
        polls += 1;
        if (isVirtual) await host.clock.sleep(pollCostMs + taken * deliveryCostMs);
      } while ((taken > 0 || router.hasWork()) && polls < pollsPerTurn);
      if (taken > 0 || router.hasWork()) await host.clock.sleep(0);
      else await loop.rest();
    }
  }

  const ended = run().finally(() => router.close());
  ended.catch(() => undefined);
  return {
    stats,
    isDedicated: false,
    ended,
    async apply(command) {
      options.change(command);
    },
    turn() {
      if (!stopping) loop.turn();
    },
    async stop() {
      stopping = true;
      wakeRouter(segment.region);
      await ended;
    },
  };
}
