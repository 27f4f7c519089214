import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { ServerRequest, StemeEvidence } from './evidence.ts';

const secondMs = 1_000;

/** C20: in any second at most the limit and one second's burst; nothing refused below half the limit. */
export const rate: StemeCheck = {
  name: 'rate',
  number: 'C20',
  claim: "in any second <= limit + one second's burst; nothing refused below half the limit",
  run(evidence) {
    const findings = new Findings('C20 rate');
    const windows = limitWindows(evidence);
    let judged = 0;
    for (const window of windows) {
      const within = evidence.requests.filter(
        (request) =>
          request.ids.length > 0 && request.arrivedAtMs >= window.fromMs && request.arrivedAtMs < window.toMs,
      );
      judged += within.length;
      checkCeiling(within, window.limit, findings);
      checkFloor(evidence, within, window, findings);
    }
    return findings.result(
      windows.length === 0 ? 'no rate limit was set' : `${windows.length} limits, ${judged} requests under them`,
    );
  },
};

interface LimitWindow {
  readonly limit: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** From each answer that set a limit to the next change of it, or the end of that process. */
function limitWindows(evidence: StemeEvidence): LimitWindow[] {
  const changes = evidence.requests.filter((request) => request.rateLimit !== undefined && request.status === 200);
  return changes.flatMap((change, index) => {
    const limit = change.rateLimit ?? 0;
    if (limit === 0) return [];
    const life = evidence.lives.find((entry) => entry.incarnation === change.incarnation && entry.node === change.node);
    const next = changes[index + 1]?.arrivedAtMs ?? Number.POSITIVE_INFINITY;
    return [{ limit, fromMs: change.answeredAtMs, toMs: Math.min(next, life?.endedAtMs ?? evidence.endedAtMs) }];
  });
}

function checkCeiling(requests: readonly ServerRequest[], limit: number, findings: Findings): void {
  const admitted = requests
    .map((request) => ({
      at: request.arrivedAtMs,
      records: request.acks.filter((ack) => ack.status === 'created').length,
    }))
    .filter(({ records }) => records > 0);
  let sum = 0;
  let tail = 0;
  for (const { at, records } of admitted) {
    sum += records;
    for (let first = admitted[tail]; first !== undefined && first.at <= at - secondMs; first = admitted[tail]) {
      sum -= first.records;
      tail++;
    }
    if (sum > 2 * limit) {
      findings.add(`${sum} records were admitted within one second under a limit of ${limit} a second`, {
        atMs: at,
        fromMs: at - secondMs,
      });
      return;
    }
  }
}

function checkFloor(
  evidence: StemeEvidence,
  requests: readonly ServerRequest[],
  { limit, fromMs }: LimitWindow,
  findings: Findings,
): void {
  for (const [index, request] of requests.entries()) {
    if (request.error?.code !== 'RATE_LIMITED' || request.arrivedAtMs < fromMs + 2 * secondMs) continue;
    let offered = 0;
    for (let other = index; other >= 0; other--) {
      const entry = requests[other];
      if (entry === undefined || entry.arrivedAtMs <= request.arrivedAtMs - 2 * secondMs) break;
      offered += entry.ids.length;
    }
    if (offered / 2 < limit / 2) {
      findings.add(
        `a write was refused although only ${offered / 2} records a second were offered under a limit of ${limit}`,
        {
          atMs: request.answeredAtMs,
          fromMs: request.arrivedAtMs - 2 * secondMs,
          operations: operationsOf(evidence, request),
        },
      );
      return;
    }
  }
}
