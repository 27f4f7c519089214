import type { DeclaredPoints } from '../../host/telemetry.ts';
import { journalPoints } from '../../storage/journal/index.ts';

/** Every probe and fault point of the engine, those of its journal among them. */
export const streamBusPoints: DeclaredPoints = {
  probes: [
    ...journalPoints.probes,
    'deposed leader had a tail',
    'incarnation swapped',
    'read-only handed over',
    'metadata command repeated',
    'format found a cluster',
    'produce waited for a verification',
    'long poll woken by records',
    'idempotent tail truncated',
    'repeat before its original committed',
    'LSO held',
    'marker repeated',
    'catch-up in more than one frame',
    'quarantine repaired',
    'catch-up had a head start',
    'static member fenced',
    'stale connection dropped',
    'marker retried by a new leader',
    'epoch overflow',
  ],
  faultPoints: [
    ...journalPoints.faultPoints,
    'gossip lost',
    'heartbeat skipped',
    'no log window',
    'one group a turn',
    'one-entry MsgApp',
    'one-record journal batch',
    'random transfer',
    'snapshot every 10',
    'one-batch-fetch',
    'cache off',
    'one-batch frame',
    'checkpoint now',
    'roll at each batch',
    'marker sent twice',
  ],
};
