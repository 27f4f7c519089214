import type { GroupEvents } from './broker/groupsOptions.ts';
import type { GroupSpec } from './broker/runtime.ts';
import type { GroupKind, StreamBusMetrics } from './metrics.ts';

/** Counts what the groups of a broker go through. */
export function groupEvents(metrics: StreamBusMetrics): GroupEvents {
  return {
    fenced: (reason) => metrics.fenced(fencedReason(reason)),
    journalSynced: (ms) => metrics.journalSynced(ms / 1_000),
    leaderChanged: (kind) => metrics.leaderChanged(metricKind(kind)),
    electionBegun: (kind) => metrics.electionBegun(metricKind(kind)),
    confChanged: (kind) => metrics.confChanged(metricKind(kind)),
  };
}

function metricKind(kind: GroupSpec['kind']): GroupKind {
  if (kind === 'meta') return 'meta';
  return kind === 'partition' ? 'data' : 'shard';
}

function fencedReason(reason: string): 'incarnation' | 'generation' | 'cluster' | 'start' {
  switch (reason) {
    case 'generation':
    case 'incarnation':
      return reason;
    case 'fenced':
      return 'start';
    case 'sender':
      return 'incarnation';
    default:
      return 'cluster';
  }
}
