import { mergeTables } from '../../mergeTables.ts';

/** Port on which every node's routes are served. */
export const httpPort = 9109;
/** Port of a control plane, for reports. */
export const controlPort = 9110;
/** Name of the segment where the configuration says nothing. */
export const segmentName = 'bus';

export function nodeName(number: number): string {
  return `indexbus-${number}`;
}

/** Producers and consumers of the stand. */
export const participantNames = /^[pc]\d+$/;

/** Time between two looks of an idle router on the stand: a publish ends its sleep at once, so it costs nobody anything. */
const pollIntervalUs = 5_000;

/** What the configuration file of a node says: what the stand gives, what the scenario gives to all, and to this one. */
export function routerDocument(
  node: string,
  given: Readonly<Record<string, unknown>>,
  ofNode: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const own = {
    router_id: node,
    region: 'eu',
    environment: 'test',
    admin: { listen: `0.0.0.0:${httpPort}` },
    segment: { name: segmentName },
    router_poll_interval_us: pollIntervalUs,
    // Small, so that a run of minutes is quick, and as many as the largest load of the stand has.
    slots_per_producer: 4_096,
    lane_ring: 4_096,
    slot_bytes: 64,
    topics_max: 64,
  };
  return mergeTables(mergeTables(own, given), ofNode);
}
