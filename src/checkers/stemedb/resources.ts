import { Findings, type StemeCheck } from './check.ts';
import type { OpenFile, StateSample, StemeEvidence } from './evidence.ts';
import { batchWrites, faultActive, settingsByIncarnation } from './facts.ts';
import { type Span, Spans } from './spans.ts';

/** Beside a reader's own file a scan of the same segment has one open, and a slow disk makes both last. */
const scanMs = 2_000;
/** What waits for the disk gathers no longer than this beyond the longest gathering: turns of a busy process. */
const turnsMs = 1_000;
/** How long a process that was held up takes to catch up. */
const catchUpMs = 5_000;
const slowDisk: readonly string[] = ['disk.stall', 'disk.slow', 'disk.throttle', 'disk.compete', 'disk.gone'];
const heldUp: readonly string[] = ['process.pause', 'process.slow', 'process.memory', 'clock.'];

/** C23: what is open is what the state explains, and what nobody waits for costs no budget. */
export const resources: StemeCheck = {
  name: 'resources',
  number: 'C23',
  claim: 'open files are those that the state of the engine explains; with nothing under way no byte is pending',
  run(evidence) {
    const findings = new Findings('C23 resources');
    const files = checkFiles(evidence, findings);
    const budgets = checkBudgets(evidence, findings);
    return findings.result(`${files} lists of open files, ${budgets} moments with nothing under way`);
  },
};

/** A kind of file, and how many of it may be open at once. */
interface Allowance {
  readonly what: string;
  readonly most: number;
  readonly isOf: (file: OpenFile) => boolean;
}

const isSegment = (path: string): boolean => /\/segment-\d+\.wal$/.test(path);

/** What a store that serves keeps open: its locks, the witness, the segment that it writes to. */
const allowances: readonly Allowance[] = [
  { what: 'locks', most: 2, isOf: ({ path }) => path.endsWith('/LOCK') },
  { what: 'files of the witness', most: 1, isOf: ({ path }) => path.endsWith('.ring') },
  { what: 'new files of the witness', most: 1, isOf: ({ path }) => path.endsWith('.ring.tmp') },
  { what: 'segments open for writing', most: 1, isOf: (file) => isSegment(file.path) && !file.isReader },
];

function checkFiles(evidence: StemeEvidence, findings: Findings): number {
  let looked = 0;
  const told = new Set<string>();
  const tell: Tell = (sample, files, text) => {
    const key = `${sample.incarnation} ${text}`;
    if (told.has(key)) return;
    told.add(key);
    const fromMs = wellBefore(evidence, sample, Math.min(...files.map((file) => file.openedAtMs)));
    findings.add(`${text}, in incarnation ${sample.incarnation}`, { atMs: sample.atMs, fromMs });
  };
  for (const sample of evidence.samples) {
    const { openFiles, activities } = sample;
    if (openFiles === undefined || activities === undefined) continue;
    looked++;
    // Recovery and a rotation have more open, for as long as they last.
    if (!activities.includes('recovering') && !activities.includes('rotating')) {
      for (const { what, most, isOf } of allowances) {
        const open = openFiles.filter(isOf);
        if (open.length > most)
          tell(sample, open, `${open.length} ${what} were open, ${most} can be: ${pathsOf(open)}`);
      }
      if (!activities.includes('scrubbing')) checkReaders(evidence, sample, openFiles, tell);
    }
    if (activities.some((each) => each !== 'making-spare')) continue;
    const isSpareMade = activities.includes('making-spare');
    for (const file of openFiles) {
      if (isSpareMade && file.path.endsWith('/spare.wal')) continue;
      if (isSegment(file.path) || allowances.some(({ isOf }) => isOf(file))) continue;
      tell(
        sample,
        [file],
        `${file.path} was open since ${file.openedAtMs.toFixed(1)} ms, though nothing is done with it`,
      );
    }
  }
  return looked;
}

/** What was opened while the process started is a matter of what it found: of how the one before it ended. */
function wellBefore(evidence: StemeEvidence, { incarnation }: StateSample, openedAtMs: number): number {
  const at = evidence.lives.findIndex((life) => life.incarnation === incarnation);
  const life = evidence.lives[at];
  if (life === undefined || openedAtMs > life.servedAtMs) return openedAtMs;
  return evidence.lives[at - 1]?.endedAtMs ?? life.startedAtMs;
}

/** Says, once, that these files should not all be open. */
type Tell = (sample: StateSample, files: readonly OpenFile[], text: string) => void;

/** Readers of a segment share one file; more than one is a scan's, which ends. */
function checkReaders(evidence: StemeEvidence, sample: StateSample, openFiles: readonly OpenFile[], tell: Tell): void {
  if (faultActive(evidence, [...slowDisk, ...heldUp], sample.atMs - scanMs, sample.atMs)) return;
  const old = openFiles.filter(
    (file) => file.isReader && isSegment(file.path) && file.openedAtMs < sample.atMs - scanMs,
  );
  for (const [path, open] of Map.groupBy(old, (file) => file.path)) {
    if (open.length > 1) tell(sample, open, `${path} was open for reading ${open.length} times, readers share one`);
  }
}

function pathsOf(files: readonly OpenFile[]): string {
  return [...new Set(files.map((file) => file.path))].slice(0, 3).join(', ');
}

/**
 * With no write at the disk, none in a request and time enough to gather, nothing is left that could be pending. A rotation is
 * a write under way: what is queued waits for the next segment, whose spare is tried again for seconds where the disk fails,
 * longer than the requests that asked for it.
 */
function checkBudgets(evidence: StemeEvidence, findings: Findings): number {
  const settingsOf = settingsByIncarnation(evidence);
  const workOf = workByIncarnation(evidence);
  let looked = 0;
  const told = new Set<number>();
  for (const sample of evidence.samples) {
    // A strict tail keeps what the witness has not noted, however long that cannot be written.
    const settings = settingsOf(sample.incarnation);
    if (sample.pendingBytes === undefined || sample.walState === undefined || settings.strictTail) continue;
    if (sample.activities?.includes('rotating')) continue;
    const since = sample.atMs - settings.maxWaitMs - turnsMs;
    if (faultActive(evidence, heldUp, sample.atMs - catchUpMs, sample.atMs)) continue;
    if (workOf(sample.incarnation).overlapping({ from: since, to: sample.atMs }).length > 0) continue;
    looked++;
    if (sample.pendingBytes === 0 || told.has(sample.incarnation)) continue;
    told.add(sample.incarnation);
    findings.add(
      `${sample.pendingBytes} bytes were pending with no write under way and none asked for, in incarnation ${sample.incarnation} (${sample.walState})`,
      { atMs: sample.atMs, fromMs: wholeUntil(evidence, sample) },
    );
  }
  return looked;
}

/**
 * Each process's writes of batches, and its requests for writes but for those that were refused: what a refused one asked for
 * never was pending, or is no longer.
 */
function workByIncarnation(evidence: StemeEvidence): (incarnation: number) => Spans<Span> {
  const spans = new Map<number, Span[]>();
  const add = (incarnation: number, from: number, to: number): void => {
    const list = spans.get(incarnation);
    if (list === undefined) spans.set(incarnation, [{ from, to }]);
    else list.push({ from, to });
  };
  for (const call of batchWrites(evidence)) add(call.incarnation, call.beganAtMs, call.endedAtMs);
  for (const request of evidence.requests) {
    const isRefused = request.status >= 400 && request.error?.outcome === 'not_applied';
    if (request.ids.length > 0 && !isRefused) add(request.incarnation, request.arrivedAtMs, request.answeredAtMs);
  }
  const made = new Map<number, Spans<Span>>();
  return (incarnation) => {
    const known = made.get(incarnation);
    if (known !== undefined) return known;
    const work = new Spans(spans.get(incarnation) ?? [], (span) => span);
    made.set(incarnation, work);
    return work;
  };
}

/** The last look before this one at which fewer bytes were pending: what nobody gives back was not all lost by then. */
function wholeUntil(evidence: StemeEvidence, { incarnation, order, pendingBytes = 0 }: StateSample): number {
  const before = evidence.samples.findLast(
    (other) => other.incarnation === incarnation && other.order < order && (other.pendingBytes ?? 0) < pendingBytes,
  );
  const life = evidence.lives.find((each) => each.incarnation === incarnation);
  return before?.atMs ?? life?.startedAtMs ?? 0;
}
