import { Findings, type StemeCheck } from './check.ts';
import type { DiskCall, StateSample, StemeEvidence } from './evidence.ts';
import { batchWrites, durationOf, faultActive } from './facts.ts';

/** The summary's window: six buckets of ten seconds, cut at multiples of ten seconds, the youngest partly filled. */
const bucketMs = 10_000;
const buckets = 6;
/** A sample at a cut may have been taken on either side of it. */
const cutSlackMs = 5;
/** Error of a quantile by its buckets (contract, 3.1), and what the clock's reading may add. */
const relativeError = 0.0101;
const absoluteErrorMs = 0.05;
/** After this time without a write everything is folded. */
const settledMs = 20;

/** C19: fsync_total, fsync_errors_total and records_total are what the disk saw; quantiles within 1 %. */
export const metricsAgree: StemeCheck = {
  name: 'metrics',
  number: 'C19',
  claim:
    'fsync_total, fsync_errors_total, records_total = the counts of the disk; quantiles within 1 % of its durations',
  run(evidence) {
    const findings = new Findings('C19 metrics');
    const writes = batchWrites(evidence);
    let compared = 0;
    const quiet: StateSample[] = [];
    for (const sample of evidence.samples) {
      const life = evidence.lives.find(
        (entry) => entry.incarnation === sample.incarnation && entry.node === sample.node,
      );
      if (life?.recovered === undefined || sample.order < life.servedOrder) continue;
      const mine = writes.filter((call) => call.incarnation === sample.incarnation && call.beganOrder < sample.order);
      const inFlight = mine.some((call) => call.endedOrder > sample.order);
      if (inFlight) continue;
      compared++;
      if (isSettled(evidence, sample, mine)) quiet.push(sample);
      compare('fsync_total', sample.fsyncTotal, mine.length, sample);
      compare('fsync_errors_total', sample.fsyncErrors, mine.filter((call) => call.error !== undefined).length, sample);
      checkQuantiles(
        evidence,
        sample,
        mine.map((call) => ({ at: call.endedAtMs, ms: durationOf(call) })),
        findings,
      );
    }
    checkRecords(evidence, quiet, findings);
    return findings.result(`${compared} samples without a write in flight`);

    function compare(name: string, got: number | undefined, expected: number, sample: StateSample): void {
      if (got === undefined || got === expected) return;
      findings.add(`${name} was ${got}, the disk saw ${expected}`, { atMs: sample.atMs });
    }
  },
};

/** The fold follows the end of a write by a turn of the event loop, which a slow or paused process takes late. */
function isSettled(evidence: StemeEvidence, sample: StateSample, writes: readonly DiskCall[]): boolean {
  if (faultActive(evidence, ['process.pause', 'process.slow'], sample.atMs - settledMs, sample.atMs)) return false;
  return writes.every((call) => call.endedAtMs < sample.atMs - settledMs);
}

/**
 * records_total counts folded records. What a process starts from depends on parts and recovery; from one quiet sample of
 * a life to a later one it grows by the clients' records of the batches that became durable between them.
 */
function checkRecords(evidence: StemeEvidence, quiet: readonly StateSample[], findings: Findings): void {
  // A strict tail folds only after the witness, whose writes may fail and wait.
  if (evidence.config.strictTail) return;
  const writes = batchWrites(evidence);
  const first = new Map<number, StateSample>();
  for (const sample of quiet) {
    const from = first.get(sample.incarnation);
    if (from === undefined) {
      first.set(sample.incarnation, sample);
      continue;
    }
    if (from.recordsTotal === undefined || sample.recordsTotal === undefined) continue;
    const expected = writes
      .filter(
        (call) =>
          call.incarnation === sample.incarnation &&
          call.error === undefined &&
          call.beganOrder > from.order &&
          call.endedOrder < sample.order,
      )
      .reduce((sum, call) => sum + (call.batches ?? []).reduce((count, batch) => count + batch.ids.length, 0), 0);
    const got = sample.recordsTotal - from.recordsTotal;
    if (got === expected) continue;
    findings.add(
      `records_total grew by ${got} from ${(from.atMs / 1000).toFixed(1)} s to ${(sample.atMs / 1000).toFixed(1)} s, the disk took ${expected} records`,
      { atMs: sample.atMs },
    );
    return;
  }
}

function checkQuantiles(
  evidence: StemeEvidence,
  sample: StateSample,
  writes: readonly { readonly at: number; readonly ms: number }[],
  findings: Findings,
): void {
  if (sample.fsyncQuantiles === undefined || writes.length === 0) return;
  if (faultActive(evidence, ['process.', 'clock.'], sample.atMs - buckets * bucketMs, sample.atMs)) return;
  for (const [share, got] of Object.entries(sample.fsyncQuantiles)) {
    if (!Number.isFinite(got)) continue;
    // The oldest bucket leaves as a whole. Without faults of clocks the process's clock is the world's.
    const starts = [sample.atMs - cutSlackMs, sample.atMs + cutSlackMs].map(
      (atMs) => (Math.floor(atMs / bucketMs) - (buckets - 1)) * bucketMs,
    );
    const candidates = [...new Set(starts)].flatMap((start) => {
      const sorted = writes
        .filter((write) => write.at >= start)
        .map((write) => write.ms)
        .sort((a, b) => a - b);
      const rank = Number(share) * sorted.length;
      return [Math.floor(rank) - 1, Math.floor(rank), Math.ceil(rank)].flatMap(
        (index) => sorted[Math.min(sorted.length - 1, Math.max(0, index))] ?? [],
      );
    });
    if (candidates.length === 0) continue;
    const low = Math.min(...candidates) * (1 - relativeError) - absoluteErrorMs;
    const high = Math.max(...candidates) * (1 + relativeError) + absoluteErrorMs;
    const ms = got * 1000;
    if (ms < low || ms > high) {
      findings.add(
        `quantile ${share} of the fsync durations was ${ms.toFixed(3)} ms, the disk saw ${low.toFixed(3)} to ${high.toFixed(3)} ms`,
        { atMs: sample.atMs },
      );
    }
  }
}
