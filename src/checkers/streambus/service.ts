import { Findings } from '../findings.ts';
import type { StreamBusCheck } from './check.ts';

/** What a broker tells of itself is what the simulator counted. */
export const metricsTruth: StreamBusCheck = {
  name: 'metrics-truth',
  claim: 'metrics are what the simulator counted',
  run(evidence) {
    const findings = new Findings('metrics-truth');
    for (const { node, atMs, name, shown, least, most } of evidence.metrics) {
      if (shown !== undefined && shown >= least && shown <= most) continue;
      const truth = least === most ? String(least) : `between ${least} and ${most}`;
      findings.add(`${node} shows ${name} ${shown ?? 'not at all'}; it is ${truth}`, { atMs, node });
    }
    return findings.result(`${evidence.metrics.length} readings`);
  },
};

/** Every queue keeps within its bound. */
export const bounded: StreamBusCheck = {
  name: 'bounded',
  claim: 'every queue is within its bound',
  run(evidence) {
    const findings = new Findings('bounded');
    for (const { node, atMs, name, value, limit } of evidence.gauges) {
      if (value <= limit) continue;
      findings.add(`${name} of ${node} was ${value}, its bound is ${limit}`, { atMs, node });
    }
    return findings.result(`${evidence.gauges.length} readings`);
  },
};

/** Once everything is healed the cluster serves again, within the times of the contract. */
export const liveness: StreamBusCheck = {
  name: 'liveness',
  claim: 'healed, the cluster has leaders within 10 s, takes writes within 15 s, and everything else within its time',
  run(evidence) {
    const findings = new Findings('liveness');
    for (const { what, healedAtMs, withinMs, reachedAtMs, missing } of evidence.recovery ?? []) {
      const took = reachedAtMs - healedAtMs;
      if (took <= withinMs) continue;
      findings.add(
        `${what}: expected within ${withinMs} ms of healing, ${Number.isFinite(took) ? `it took ${Math.round(took)} ms` : 'it never came to that'}${missing === undefined ? '' : ` (${missing})`}`,
        { atMs: Number.isFinite(reachedAtMs) ? reachedAtMs : healedAtMs + withinMs, fromMs: healedAtMs },
      );
    }
    return findings.result(
      evidence.recovery === undefined ? 'nothing was healed' : `${evidence.recovery.length} things that must come back`,
    );
  },
};
