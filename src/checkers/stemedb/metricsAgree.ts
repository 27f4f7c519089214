import { Findings, type StemeCheck } from './check.ts';
import type { DiskCall, StateSample, StemeEvidence } from './evidence.ts';
import { batchWrites, durationOf, faultActive, lookedAtBefore } from './facts.ts';
import { RunningSum, Spans } from './spans.ts';

/** The summary's window: six buckets of ten seconds, cut at multiples of ten seconds, the youngest partly filled. */
const bucketMs = 10_000;
const buckets = 6;
/** A sample at a cut may have been taken on either side of it. */
const cutSlackMs = 5;
/** Error of a quantile by its buckets (1 %), and what the clock's reading may add. */
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
    const writesOf = writesByIncarnation(evidence);
    let compared = 0;
    const quiet: StateSample[] = [];
    for (const sample of evidence.samples) {
      const life = evidence.lives.find(
        (entry) => entry.incarnation === sample.incarnation && entry.node === sample.node,
      );
      if (life?.recovered === undefined || sample.order < life.servedOrder) continue;
      const writes = writesOf(sample.incarnation);
      const begun = writes.byOrder.begunBefore(sample.order);
      if (writes.byOrder.latestEndOf(begun) > sample.order) continue; // one is in flight
      compared++;
      if (isSettled(evidence, sample, writes.byTime.latestEndOf(begun))) quiet.push(sample);
      compare('fsync_total', sample.fsyncTotal, begun, sample);
      compare('fsync_errors_total', sample.fsyncErrors, writes.errors.sumOfFirst(begun), sample);
      checkQuantiles(evidence, sample, writes.byTime, begun, findings);
    }
    // A strict tail folds only after the witness, whose writes may fail and wait.
    if (!evidence.config.strictTail) checkRecords(quiet, writesOf, findings);
    return findings.result(`${compared} samples without a write in flight`);

    function compare(name: string, got: number | undefined, expected: number, sample: StateSample): void {
      if (got === undefined || got === expected) return;
      findings.add(`${name} was ${got}, the disk saw ${expected}`, {
        atMs: sample.atMs,
        fromMs: lookedAtBefore(evidence, sample),
      });
    }
  },
};

/** The durable batch writes of one process, in order of their beginnings, and what is counted of the first of them. */
interface WritesOfLife {
  readonly byOrder: Spans<DiskCall>;
  readonly byTime: Spans<DiskCall>;
  readonly errors: RunningSum;
  /** Clients' records in the batches that were written without an error. */
  readonly records: RunningSum;
}

/** Each process's writes, gathered once. */
function writesByIncarnation(evidence: StemeEvidence): (incarnation: number) => WritesOfLife {
  const calls = Map.groupBy(batchWrites(evidence), (call) => call.incarnation);
  const made = new Map<number, WritesOfLife>();
  return (incarnation) => {
    let writes = made.get(incarnation);
    if (writes === undefined) {
      writes = writesOfLife(calls.get(incarnation) ?? []);
      made.set(incarnation, writes);
    }
    return writes;
  };
}

function writesOfLife(calls: readonly DiskCall[]): WritesOfLife {
  return {
    byOrder: new Spans(calls, (call) => ({ from: call.beganOrder, to: call.endedOrder })),
    byTime: new Spans(calls, (call) => ({ from: call.beganAtMs, to: call.endedAtMs })),
    errors: new RunningSum(calls.map((call) => (call.error === undefined ? 0 : 1))),
    records: new RunningSum(calls.map((call) => (call.error === undefined ? recordsOf(call) : 0))),
  };
}

function recordsOf(call: DiskCall): number {
  return (call.batches ?? []).reduce((count, batch) => count + batch.ids.length, 0);
}

/** The fold follows the end of a write by a turn of the event loop, which a slow or paused process takes late. */
function isSettled(evidence: StemeEvidence, sample: StateSample, lastWriteEndedAtMs: number): boolean {
  if (faultActive(evidence, ['process.pause', 'process.slow'], sample.atMs - settledMs, sample.atMs)) return false;
  return lastWriteEndedAtMs < sample.atMs - settledMs;
}

/**
 * records_total counts folded records. What a process starts from depends on parts and recovery; from one quiet sample of
 * a life to a later one it grows by the clients' records of the batches that became durable between them.
 */
function checkRecords(
  quiet: readonly StateSample[],
  writesOf: (incarnation: number) => WritesOfLife,
  findings: Findings,
): void {
  const first = new Map<number, StateSample>();
  for (const sample of quiet) {
    const from = first.get(sample.incarnation);
    if (from === undefined) {
      first.set(sample.incarnation, sample);
      continue;
    }
    if (from.recordsTotal === undefined || sample.recordsTotal === undefined) continue;
    // No write crosses a quiet moment: those begun in between also ended in between.
    const { byOrder, records } = writesOf(sample.incarnation);
    const expected =
      records.sumOfFirst(byOrder.begunBefore(sample.order)) - records.sumOfFirst(byOrder.begunBefore(from.order));
    const got = sample.recordsTotal - from.recordsTotal;
    if (got === expected) continue;
    findings.add(
      `records_total grew by ${got} from ${(from.atMs / 1000).toFixed(1)} s to ${(sample.atMs / 1000).toFixed(1)} s, the disk took ${expected} records`,
      { atMs: sample.atMs, fromMs: from.atMs },
    );
    return;
  }
}

function checkQuantiles(
  evidence: StemeEvidence,
  sample: StateSample,
  writes: Spans<DiskCall>,
  begun: number,
  findings: Findings,
): void {
  if (sample.fsyncQuantiles === undefined || begun === 0) return;
  if (faultActive(evidence, ['process.', 'clock.'], sample.atMs - buckets * bucketMs, sample.atMs)) return;
  // The oldest bucket leaves as a whole. Without faults of clocks the process's clock is the world's.
  const starts = [sample.atMs - cutSlackMs, sample.atMs + cutSlackMs].map(
    (atMs) => (Math.floor(atMs / bucketMs) - (buckets - 1)) * bucketMs,
  );
  const windows = [...new Set(starts)].map((start) =>
    Float64Array.from(writes.endingFrom(start, begun), durationOf).sort(),
  );
  for (const [share, got] of Object.entries(sample.fsyncQuantiles)) {
    if (!Number.isFinite(got)) continue;
    const candidates = windows.flatMap((sorted) => {
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
        { atMs: sample.atMs, fromMs: lookedAtBefore(evidence, sample) },
      );
    }
  }
}
