import type { BusNode } from './busNode.ts';
import { histograms } from './metrics/histograms.ts';
import { keyedMetrics } from './metrics/keyedBuckets.ts';
import { queueMetrics } from './metrics/queues.ts';
import { createRegister } from './metrics/register.ts';
import { routingMetrics } from './metrics/routing.ts';
import { runbookMetrics } from './metrics/runbook.ts';
import { seatMetrics } from './metrics/seats.ts';
import { surroundingMetrics } from './metrics/surroundings.ts';

/**
 * Registers every metric of a router. Nothing is counted here: each scrape reads the segment, the last cut, and the loop's numbers, while the
 * router goes on.
 */
export function registerMetrics(node: BusNode): void {
  const register = createRegister(node);
  runbookMetrics(register);
  queueMetrics(register);
  keyedMetrics(register);
  routingMetrics(register);
  seatMetrics(register);
  surroundingMetrics(register);
  histograms(register);
}
