import { Findings } from '../findings.ts';
import type { StreamBusCheck } from './check.ts';
import type { RecoverySeen } from './evidence.ts';

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

/**
 * Once everything is healed the cluster serves again, within the times of the contract. What was not looked at up to the end of its time,
 * for the run was over before, is no finding, and is not said to have held either.
 */
export const liveness: StreamBusCheck = {
  name: 'liveness',
  claim: 'healed, the cluster has leaders within 10 s, takes writes within 15 s, and everything else within its time',
  run(evidence) {
    const findings = new Findings('liveness');
    const { recovery, unlooked } = evidence;
    const open: string[] = unlooked === undefined ? [] : [unlooked];
    for (const seen of recovery ?? []) {
      const late = lateness(seen);
      if (late === 'open') open.push(`${seen.what}: ${openFor(seen)}`);
      if (late === 'open' || late === undefined) continue;
      const { what, healedAtMs, withinMs, reachedAtMs, missing } = seen;
      findings.add(
        `${what}: expected within ${withinMs} ms of healing, ${late}${missing === undefined ? '' : ` (${missing})`}`,
        { atMs: Number.isFinite(reachedAtMs) ? reachedAtMs : healedAtMs + withinMs, fromMs: healedAtMs },
      );
    }
    return findings.result(
      recovery === undefined ? 'nothing was healed' : `${recovery.length} things that must come back`,
      open.length === 0 ? undefined : `not decided: ${open.join('; ')}`,
    );
  },
};

/** How late something came to pass; undefined: in time; `open`: nobody looked when its time was up. */
function lateness({ healedAtMs, withinMs, reachedAtMs, looked }: RecoverySeen): string | 'open' | undefined {
  const untilMs = healedAtMs + withinMs;
  if (reachedAtMs <= untilMs) return undefined;
  if (looked === undefined || looked.fromMs > untilMs) return 'open';
  if (Number.isFinite(reachedAtMs)) return `it took ${Math.round(reachedAtMs - healedAtMs)} ms`;
  return looked.toMs >= untilMs ? 'it never came to that' : 'open';
}

function openFor({ healedAtMs, withinMs, looked, missing }: RecoverySeen): string {
  if (looked === undefined) return 'nobody had looked when the run ended';
  if (looked.fromMs > healedAtMs + withinMs) return 'looked at for the first time when its time was up';
  const afterMs = Math.round(looked.toMs - healedAtMs);
  return `last looked at ${afterMs} ms after healing, of ${withinMs} ms${missing === undefined ? '' : ` (${missing})`}`;
}
