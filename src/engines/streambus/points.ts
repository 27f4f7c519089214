import type { DeclaredPoints } from '../../host/telemetry.ts';
import { journalPoints } from '../../storage/journal/index.ts';

/** Every probe and fault point of the engine, those of its journal among them. */
export const streamBusPoints: DeclaredPoints = {
  probes: [
    ...journalPoints.probes,
    'incarnation swapped',
    'metadata command repeated',
    'format found a cluster',
    'produce waited for a verification',
    'long poll woken by records',
  ],
  faultPoints: [...journalPoints.faultPoints, 'one-batch-fetch'],
};
