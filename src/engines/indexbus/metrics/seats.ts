import type { DaemonServices } from '../../engine.ts';
import type { BusNode } from '../busNode.ts';
import type { Serving } from '../serving.ts';
import { laneView, producerView, type SeatView, seatCounts } from '../views.ts';
import type { Reading, Register } from './register.ts';
import { heldSeats } from './seatReadings.ts';

/** Who has seats, and where their processes run. */
export function seatMetrics({ node, gauge, serving }: Register): void {
  const services = askedOnce(node);
  gauge(
    'seats',
    'Seats by state; stopped and doubtful ones count in their state as well.',
    serving((it) => seatCounts(it, services).map(({ kind, state, count }) => [{ kind, state }, count])),
  );
  gauge(
    'seat_remote_node',
    'Seats whose process runs on another NUMA node than the segment.',
    serving((it) => remoteSeats(node, it, services)),
  );
}

/** How long what the kernel has told of a process stands, in milliseconds: a scrape, in which several metrics ask for it. */
const usageStandsMs = 50;

/** The daemon's services, of which the look at a process is taken once a scrape: it opens, reads and closes a file. */
function askedOnce(node: BusNode): DaemonServices {
  const { processUsage } = node.services;
  if (processUsage === undefined) return node.services;
  const known = new Map<number, ReturnType<typeof processUsage>>();
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    ...node.services,
    processUsage(pid) {
      const now = node.host.clock.now();
      if (now - askedAt > usageStandsMs) {
        known.clear();
        askedAt = now;
      }
      if (!known.has(pid)) known.set(pid, processUsage(pid));
      return known.get(pid);
    },
  };
}

/** Seats whose process last ran on a processor of another node than the segment's memory; 0 where the machine does not tell. */
function remoteSeats(node: BusNode, serving: Serving, services: DaemonServices): readonly Reading[] {
  const { nodeOfCpu, processUsage } = services;
  const { numa_node: asked } = node.config;
  const own = serving.segment.region.numaNode?.() ?? (typeof asked === 'number' ? asked : undefined);
  const counts = new Map<string, number>([
    ['producer live', 0],
    ['consumer live', 0],
  ]);
  const add = (kind: 'producer' | 'consumer', { pid, state }: SeatView): void => {
    const cpu = pid === null ? undefined : processUsage?.(pid)?.cpu;
    const at = cpu === undefined ? undefined : nodeOfCpu?.(cpu);
    if (at === undefined || own === undefined || at === own) return;
    counts.set(`${kind} ${state}`, (counts.get(`${kind} ${state}`) ?? 0) + 1);
  };
  for (const seat of heldSeats(serving, 'producer')) add('producer', producerView(serving, seat, {}));
  for (const lane of heldSeats(serving, 'consumer')) add('consumer', laneView(serving, lane, {}, 0));
  return [...counts].map(([key, count]) => {
    const [kind = '', state = ''] = key.split(' ');
    return [{ kind, state }, count];
  });
}
