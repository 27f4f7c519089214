import type { DeclaredPoints } from '../../host/telemetry.ts';
import { journalPoints } from '../../storage/journal/index.ts';

/** Every probe and fault point of the engine, those of its journal among them. */
export const stemedbPoints: DeclaredPoints = {
  probes: [...journalPoints.probes, 'duplicate while pending', 'part re-folded'],
  faultPoints: [...journalPoints.faultPoints, 'cache-empty', 'drain-slow-step', 'part-now', 'short-turns'],
};
