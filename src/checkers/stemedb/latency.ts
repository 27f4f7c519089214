import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { DiskCall, ServerRequest, StemeEvidence } from './evidence.ts';
import { batchWrites, durationOf, faultActive, settingsByIncarnation } from './facts.ts';
import { firstIndex, RunningSum, Spans } from './spans.ts';

/** What parsing, hashing and the turns of the event loop may add. */
const slackMs = 1;
/** Fault points that gather less, or wait longer, than the policy would. */
const slowPaths: readonly string[] = ['flush-early', 'gather-full-wait', 'tiny-batch', 'roll-now', 'witness-late'];

/** C16: a lone writer waits for at most two writes and 1 ms; nobody gathers longer than max_wait and two writes. */
export const latency: StemeCheck = {
  name: 'latency',
  number: 'C16',
  claim: 'lone writer <= 2 writes + 1 ms; any wait <= max_wait + 2 writes while pending < one batch',
  run(evidence) {
    const findings = new Findings('C16 latency');
    const slowed = evidence.firedFaultPoints.filter((name) => slowPaths.includes(name));
    if (slowed.length > 0) return findings.result(`not looked at: ${slowed.join(', ')} took time on purpose`);
    const timeline = new WalTimeline(evidence);
    const writes = evidence.requests.filter((request) => request.ids.length > 0);
    const crowd = new Crowd(writes);
    const wakes = new Wakes(evidence, writes);
    const settingsOf = settingsByIncarnation(evidence);
    let lone = 0;
    let all = 0;
    for (const request of writes) {
      if (request.acks.length === 0 || !request.acks.every((ack) => ack.status === 'created')) continue;
      if (faultActive(evidence, ['process.', 'clock.', 'disk.stall'], request.arrivedAtMs, request.answeredAtMs))
        continue;
      const seen = timeline.between(request);
      if (seen.other) continue;
      all++;
      const took = request.answeredAtMs - request.arrivedAtMs;
      const meanwhile = crowd.around(request);
      // What a crowd leaves behind is expected to come again, so the first write after it gathers in vain.
      // The claims of a batch may go down in several appends, each of which expects the next.
      const company = meanwhile.count > 1 || request.acks.length > 1 || wakes.followsCrowd(request);
      const { maxBatchBytes, maxWaitMs } = settingsOf(request.incarnation);
      // What does not fit into one batch waits for the batches before it.
      if (meanwhile.bytes > maxBatchBytes / 2) continue;
      if (!company) lone++;
      const bound = 2 * seen.longestMs + slackMs + (company ? maxWaitMs : 0);
      if (took > bound && seen.longestMs > 0) {
        findings.add(
          `${company ? 'a write' : 'a lone write'} (LSN ${request.acks[0]?.lsn}) took ${took.toFixed(2)} ms; the longest durable write meanwhile took ${seen.longestMs.toFixed(2)} ms, so at most ${bound.toFixed(2)} ms were expected`,
          { atMs: request.answeredAtMs, fromMs: request.arrivedAtMs, operations: operationsOf(evidence, request) },
        );
      }
    }
    return findings.result(`${all} undisturbed writes, ${lone} of them alone`);
  },
};

/** Which writes come right after a durable write that carried those of several requests. */
class Wakes {
  readonly #before = new Map<number, DiskCall>();
  readonly #requestOf = new Map<number, ServerRequest>();

  constructor(evidence: StemeEvidence, writes: readonly ServerRequest[]) {
    for (const request of writes) {
      for (const ack of request.acks) if (ack.status === 'created') this.#requestOf.set(ack.lsn, request);
    }
    const last = new Map<number, DiskCall>();
    for (const call of batchWrites(evidence)) {
      const before = last.get(call.incarnation);
      for (const lsn of lsnsOf(call)) if (before !== undefined) this.#before.set(lsn, before);
      // The seal of a segment carries nothing: it is no sign of who will come.
      if (lsnsOf(call).length > 0) last.set(call.incarnation, call);
    }
  }
  followsCrowd(request: ServerRequest): boolean {
    const before = this.#before.get(request.acks[0]?.lsn ?? 0);
    if (before === undefined) return false;
    return new Set(lsnsOf(before).map((lsn) => this.#requestOf.get(lsn))).size > 1;
  }
}

/** LSNs of the records that a write carried. */
function lsnsOf(call: DiskCall): number[] {
  return (call.batches ?? []).flatMap(({ firstLsn, ids }) => ids.map((_, index) => firstLsn + index));
}

/** How many writes of a process, and of how many bytes, were under way at some moment of one of them, itself included. */
class Crowd {
  readonly #byIncarnation: ReadonlyMap<number, Flow>;

  constructor(writes: readonly ServerRequest[]) {
    const groups = Map.groupBy(writes, (request) => request.incarnation);
    this.#byIncarnation = new Map([...groups].map(([incarnation, group]) => [incarnation, flowOf(group)]));
  }
  around(request: ServerRequest): { readonly count: number; readonly bytes: number } {
    const flow = this.#byIncarnation.get(request.incarnation);
    if (flow === undefined) throw new Error('a request is not among those of its process');
    // Who was answered before it came had also come before it was answered: the difference are those under way.
    const come = firstIndex(flow.arrivals.length, (index) => (flow.arrivals[index] ?? 0) >= request.answeredOrder);
    const gone = firstIndex(flow.answers.length, (index) => (flow.answers[index] ?? 0) > request.arrivedOrder);
    return { count: come - gone, bytes: flow.bytesCome.sumOfFirst(come) - flow.bytesGone.sumOfFirst(gone) };
  }
}

/** Orders of arrivals and of answers, each sorted, and the bytes of the first of them. */
interface Flow {
  readonly arrivals: readonly number[];
  readonly bytesCome: RunningSum;
  readonly answers: readonly number[];
  readonly bytesGone: RunningSum;
}

function flowOf(writes: readonly ServerRequest[]): Flow {
  const byArrival = writes.toSorted((a, b) => a.arrivedOrder - b.arrivedOrder);
  // Not by the difference alone: of two that were never answered it is NaN.
  const byAnswer = writes.toSorted((a, b) => a.answeredOrder - b.answeredOrder || 0);
  return {
    arrivals: byArrival.map((request) => request.arrivedOrder),
    bytesCome: new RunningSum(byArrival.map((request) => request.bodyBytes)),
    answers: byAnswer.map((request) => request.answeredOrder),
    bytesGone: new RunningSum(byAnswer.map((request) => request.bodyBytes)),
  };
}

/** What a process did on the disk, by its incarnation: what a dead one left in flight delays nobody. */
class WalTimeline {
  readonly #writes: ReadonlyMap<number, Spans<DiskCall>>;
  readonly #others: ReadonlyMap<number, Spans<DiskCall>>;

  constructor(evidence: StemeEvidence) {
    const settingsOf = settingsByIncarnation(evidence);
    this.#writes = spansByIncarnation(batchWrites(evidence));
    const rings = spansByIncarnation(evidence.disk.filter((call) => call.path.endsWith('.ring')));
    const batches = Map.groupBy(batchWrites(evidence), (call) => call.incarnation);
    /** A rotation ends when the witness has noted the seal: with the last note before the next batch. */
    const endOf = (call: DiskCall): number => {
      if (call.operation !== 'rename') return call.endedAtMs;
      const next = batches.get(call.incarnation)?.find((batch) => batch.beganOrder > call.endedOrder);
      const span = { from: call.beganAtMs, to: next?.beganAtMs ?? call.endedAtMs };
      const notes = rings.get(call.incarnation)?.overlapping(span) ?? [];
      return Math.max(call.endedAtMs, Math.min(span.to, Math.max(0, ...notes.map((note) => note.endedAtMs))));
    };
    // Rotation and recovery rename; the witness of a strict tail and a failure hold the acknowledgement back too.
    this.#others = spansByIncarnation(
      evidence.disk.filter(
        (call) =>
          call.operation === 'rename' ||
          // The name of a new segment is made durable before its first batch.
          (call.operation === 'syncDirectory' && call.path === settingsOf(call.incarnation).walDirectory) ||
          (call.error !== undefined && call.operation !== 'open') ||
          (settingsOf(call.incarnation).strictTail && call.path.endsWith('.ring')),
      ),
      endOf,
    );
  }
  /** Longest durable batch write that overlapped the request, and whether anything but plain writing went on. */
  between(request: ServerRequest): { readonly longestMs: number; readonly other: boolean } {
    const span = { from: request.arrivedAtMs, to: request.answeredAtMs };
    const writes = this.#writes.get(request.incarnation)?.overlapping(span) ?? [];
    const others = this.#others.get(request.incarnation)?.overlapping(span) ?? [];
    return {
      longestMs: writes.reduce((longest, call) => Math.max(longest, durationOf(call)), 0),
      other: others.length > 0,
    };
  }
}

function spansByIncarnation(
  calls: readonly DiskCall[],
  endOf: (call: DiskCall) => number = (call) => call.endedAtMs,
): ReadonlyMap<number, Spans<DiskCall>> {
  const groups = Map.groupBy(calls, (call) => call.incarnation);
  return new Map(
    [...groups].map(([incarnation, group]) => [
      incarnation,
      new Spans(group, (call) => ({ from: call.beganAtMs, to: endOf(call) })),
    ]),
  );
}

/** Writes that must have passed before gathering is judged, and over how many it is averaged. */
const settleWrites = 200;

/** C18b: n closed-loop writers on a steady disk: at least 0.8 n records a write. */
export const gathering: StemeCheck = {
  name: 'gathering',
  number: 'C18b',
  claim: 'n closed-loop writers, steady L, think time <= L/10: >= 0.8 n records a write after 200 writes',
  run(evidence) {
    const findings = new Findings('C18b gathering');
    const slowed = evidence.firedFaultPoints.filter((name) => slowPaths.includes(name));
    if (slowed.length > 0) return findings.result(`not looked at: ${slowed.join(', ')} took other ways on purpose`);
    const writes = batchWrites(evidence).filter((call) => (call.batches ?? []).some((batch) => batch.ids.length > 0));
    let judged = 0;
    for (let start = settleWrites; start + settleWrites <= writes.length; start += settleWrites) {
      const window = writes.slice(start, start + settleWrites);
      const [first, last] = [window[0], window.at(-1)];
      if (first === undefined || last === undefined) break;
      const writers = steadyWriters(evidence, window, first.beganAtMs, last.endedAtMs);
      if (writers === undefined) continue;
      judged++;
      const records = window.reduce(
        (sum, call) => sum + (call.batches ?? []).reduce((n, batch) => n + batch.ids.length, 0),
        0,
      );
      const average = records / window.length;
      if (average < 0.8 * writers) {
        findings.add(
          `${writers} closed-loop writers had ${average.toFixed(1)} records a write over ${window.length} writes, expected at least ${(0.8 * writers).toFixed(1)}`,
          { atMs: last.endedAtMs, fromMs: first.beganAtMs },
        );
      }
    }
    return findings.result(
      judged === 0
        ? 'nothing to judge: no stretch of 200 writes with steady closed-loop writers'
        : `${judged} stretches of ${settleWrites} writes`,
    );
  },
};

/** Number of single-record writers if they are all that wrote, each again within a tenth of a write; else undefined. */
function steadyWriters(
  evidence: StemeEvidence,
  window: readonly DiskCall[],
  fromMs: number,
  toMs: number,
): number | undefined {
  if (faultActive(evidence, ['disk.', 'process.', 'network.', 'clock.', 'load.'], fromMs - 1_000, toMs))
    return undefined;
  const durations = window.map(durationOf).sort((a, b) => a - b);
  const [low, high] = [durations[0] ?? 0, durations.at(-1) ?? 0];
  const middle = durations[durations.length >> 1] ?? 0;
  if (low < 0.8 * middle || high > 1.2 * middle) return undefined;
  // Gathering may last half a write; a shorter maximum forbids it.
  const settingsOf = settingsByIncarnation(evidence);
  if (window.some((call) => settingsOf(call.incarnation).maxWaitMs < middle / 2)) return undefined;
  const writes = evidence.operations.filter(
    (operation) => operation.input.f === 'write' && operation.invokedAt <= toMs && operation.completedAt >= fromMs,
  );
  if (
    writes.some(
      (operation) =>
        operation.outcome !== 'ok' || (operation.input.f === 'write' && operation.input.submissions.length !== 1),
    )
  )
    return undefined;
  const byProcess = new Map<number, { readonly invokedAt: number; readonly completedAt: number }[]>();
  for (const write of writes) byProcess.set(write.process, [...(byProcess.get(write.process) ?? []), write]);
  for (const own of byProcess.values()) {
    for (let index = 1; index < own.length; index++) {
      if ((own[index]?.invokedAt ?? 0) - (own[index - 1]?.completedAt ?? 0) > middle / 10) return undefined;
    }
  }
  return byProcess.size > 1 ? byProcess.size : undefined;
}
