import type { DeclaredPoints } from '../../host/telemetry.ts';

/** Every probe and fault point of the journal. A name that is missing here throws on the stand. */
export const journalPoints: DeclaredPoints = {
  probes: [
    'back-off at 63',
    'failed with >= 2 queued',
    'floor by successor alone',
    'floor by witness alone',
    'gather met',
    'gather missed',
    'read-only left',
    'refused by floor',
    'rewrite interrupted',
    'rotation under load',
    'start without spare',
    'torn tail dropped',
    'valid header with torn body',
  ],
  faultPoints: [
    'flush-early',
    'gather-full-wait',
    'pack-tiny',
    'roll-now',
    'spare-missing',
    'tiny-batch',
    'witness-late',
  ],
};
