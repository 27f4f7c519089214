/** What several checks derive from the evidence in the same way. */
import { liesAboutSync, mediaFaults } from './damage.ts';
import type {
  AckRecord,
  DiskCall,
  JournalImage,
  Life,
  LogRecord,
  ServerRequest,
  StateSample,
  StemeEvidence,
  StemeSettings,
  Submission,
} from './evidence.ts';

/** The settings of each process, by its incarnation: a restart may change the configuration. */
export function settingsByIncarnation(evidence: StemeEvidence): (incarnation: number) => StemeSettings {
  const settings = new Map(evidence.lives.map((life) => [life.incarnation, life.settings]));
  return (incarnation) => settings.get(incarnation) ?? evidence.config;
}

/** An acknowledgement as the engine gave it, whether or not it reached the client. */
export interface ServerAck {
  readonly id: string;
  readonly lsn: number;
  readonly status: 'created' | 'exists';
  readonly request: ServerRequest;
  /** The same, as the request has it. */
  readonly given: AckRecord;
}

/** Every acknowledgement, in order of the answers. */
export function serverAcks(evidence: StemeEvidence): ServerAck[] {
  return evidence.requests
    .filter((request) => request.acks.length > 0)
    .sort((a, b) => a.answeredOrder - b.answeredOrder)
    .flatMap((request) => request.acks.map((ack) => ({ ...ack, request, given: ack })));
}

/** An image of the log after recovery or at the end of a life, and whose it is. */
export interface ServedImage {
  readonly life: Life;
  readonly image: JournalImage;
  readonly moment: 'recovered' | 'left';
}

/**
 * True if the log was damaged in a segment that a start does not scan, since the index covers it: the damage is found when
 * one of its records is read, not before. An image of such a log ends at the damage and says nothing of what is behind it.
 */
export function isBelowIndex({ found, indexedLsn }: Life): boolean {
  return found.invalid?.nextBaseLsn !== undefined && found.invalid.nextBaseLsn <= indexedLsn + 1;
}

/** Highest LSN that something intact proved acknowledged when this process began: the log, its witness, or the index. */
export function provenLsn({ found, indexedLsn }: Life): number {
  return Math.max(found.floor, indexedLsn);
}

/** The log after each finished recovery, in order. */
export function recoveredImages(evidence: StemeEvidence): ServedImage[] {
  return evidence.lives.flatMap((life) =>
    life.recovered === undefined || isBelowIndex(life)
      ? []
      : [{ life, image: life.recovered, moment: 'recovered' as const }],
  );
}

/** The log after each finished recovery and as each life that served left it; by time. */
export function servedImages(evidence: StemeEvidence): ServedImage[] {
  return evidence.lives.flatMap((life) => {
    if (life.recovered === undefined || isBelowIndex(life)) return [];
    const recovered = { life, image: life.recovered, moment: 'recovered' as const };
    return life.left === undefined ? [recovered] : [recovered, { life, image: life.left, moment: 'left' as const }];
  });
}

/** Types from 240 on are the journal's own records. */
export function isData(record: LogRecord): boolean {
  return record.type < 240;
}

/** Highest LSN of the valid prefix; 0 if it is empty. */
export function lastLsn(image: JournalImage): number {
  return image.records.at(-1)?.lsn ?? 0;
}

/** True for the path of a log file, its spare or a part of them. */
export function isLogFile(path: string, evidence: StemeEvidence): boolean {
  const { walDirectory } = evidence.config;
  return path.startsWith(`${walDirectory}/`) && path.endsWith('.wal');
}

/** Durable writes of batches to the log, in order of their beginnings. */
export function batchWrites(evidence: StemeEvidence): DiskCall[] {
  return evidence.disk.filter(
    (call) => call.operation === 'write' && call.durable === true && call.batches !== undefined,
  );
}

/** Content of everything that a client ever sent, by id. */
export function submissions(evidence: StemeEvidence): ReadonlyMap<string, Submission> {
  const all = new Map<string, Submission>();
  for (const { input } of evidence.operations) {
    if (input.f === 'write') for (const submission of input.submissions) all.set(submission.id, submission);
  }
  return all;
}

/** Whether an operator gave this LSN up. */
export function isAcceptedLoss(evidence: StemeEvidence, lsn: number): boolean {
  return evidence.acceptedLoss.some((range) => range.from <= lsn && lsn <= range.to);
}

/** True if bytes that the disk had called durable may have been lost or damaged before this moment. */
export function mediaDamagedBefore(evidence: StemeEvidence, atMs: number): boolean {
  return evidence.faults.some(
    (fault) =>
      fault.startMs <= atMs &&
      (mediaFaults.includes(fault.name) ||
        (liesAboutSync(fault.name, fault.parameters) &&
          evidence.powerLosses.some((loss) => loss.atMs >= fault.startMs && loss.atMs <= atMs))),
  );
}

/**
 * True if the media were damaged while this process was starting: the log was whole when it began, and when it gave up, what
 * was proven was there no more. It was right to begin, and right to refuse.
 */
export function isDamagedMeanwhile(evidence: StemeEvidence, life: Life): boolean {
  const { found, left, startedAtMs, endedAtMs } = life;
  const proven = provenLsn(life);
  if (left === undefined || proven > lastLsn(found) || Math.max(proven, left.floor) <= lastLsn(left)) return false;
  return faultActive(evidence, mediaFaults, startedAtMs, endedAtMs);
}

/**
 * Acknowledgements that damaged media took, and of which nothing was left to tell: no witness, no later batch, no later
 * segment. With one copy nobody can know of them; from then on their LSNs are free, and their ids were never stored.
 */
export function unknowableLosses(evidence: StemeEvidence): ReadonlySet<AckRecord> {
  const lost = new Set<AckRecord>();
  for (const life of evidence.lives) {
    if (life.recovered === undefined || isBelowIndex(life) || !mediaDamagedBefore(evidence, life.startedAtMs)) continue;
    const first = life.found.records[0]?.lsn ?? 1;
    for (const request of evidence.requests) {
      if (request.answeredOrder >= life.startedOrder) continue;
      for (const ack of request.acks) {
        if (ack.lsn <= provenLsn(life) || life.found.records[ack.lsn - first]?.id === ack.id) continue;
        if (nothingProves(evidence, request, life)) lost.add(ack);
      }
    }
  }
  return lost;
}

/**
 * The witness is written at the latest one second after an acknowledgement; a batch that a lying or damaged
 * disk lost together with power inside that window cannot be known to be missing.
 */
const witnessWindowMs = 1_000;

function nothingProves(evidence: StemeEvidence, request: ServerRequest, life: Life): boolean {
  const witnessGone = evidence.faults.some(
    (fault) =>
      fault.name === 'operator.delete-file' &&
      String(fault.parameters.directory).includes('witness') &&
      fault.startMs <= life.startedAtMs,
  );
  if (witnessGone) return true;
  return evidence.powerLosses.some(
    (loss) =>
      loss.order < life.startedOrder &&
      loss.order > request.answeredOrder &&
      (witnessFailed(evidence, request.answeredOrder, loss.order) ||
        loss.atMs - request.answeredAtMs <= witnessWindowMs + 10 * longestWriteMs(evidence, request.answeredAtMs)),
  );
}

/** The disk of the witness refused the last note before the loss, or one since the acknowledgement; the next try may be a minute away. */
function witnessFailed(evidence: StemeEvidence, fromOrder: number, toOrder: number): boolean {
  const notes = evidence.disk.filter((call) => call.path.includes('.ring') && call.endedOrder < toOrder);
  return notes.some(
    (call, index) => call.error !== undefined && (index === notes.length - 1 || call.endedOrder > fromOrder),
  );
}

function longestWriteMs(evidence: StemeEvidence, atMs: number): number {
  return evidence.disk.reduce(
    (longest, call) =>
      call.durable === true && call.endedAtMs <= atMs ? Math.max(longest, call.endedAtMs - call.beganAtMs) : longest,
    1,
  );
}

/** True if a fault with one of these names (or families: `disk.`) was active at some moment of the window. */
export function faultActive(evidence: StemeEvidence, names: readonly string[], fromMs: number, toMs: number): boolean {
  return evidence.faults.some(
    (fault) =>
      fault.startMs <= toMs &&
      fault.endMs >= fromMs &&
      names.some((name) => (name.endsWith('.') ? fault.name.startsWith(name) : fault.name === name)),
  );
}

/** Duration of a finished call in milliseconds; of one in flight, infinite. */
export function durationOf(call: DiskCall): number {
  return call.endedAtMs - call.beganAtMs;
}

/** The value at a share of a sorted list (nearest rank); undefined for an empty one. */
export function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/**
 * When this process was looked at before this sample; of the first look at it the end of the one before: what it shows came
 * about since, be it in the crash between the two.
 */
export function lookedAtBefore(evidence: StemeEvidence, sample: StateSample): number {
  const before = evidence.samples.findLast(
    (other) => other.incarnation === sample.incarnation && other.order < sample.order,
  );
  const life = evidence.lives.find((each) => each.incarnation === sample.incarnation);
  return before?.atMs ?? (life === undefined ? sample.atMs : wholeBefore(evidence, life));
}

/**
 * When the log that a process found was last seen whole: as the last one before it that served left it. What that one's end
 * did to it, a crash or the loss of power, comes after. Of the first process its start.
 */
export function wholeBefore(evidence: StemeEvidence, life: Life): number {
  const before = evidence.lives.findLast(
    (each) => each.node === life.node && each.startedOrder < life.startedOrder && each.recovered !== undefined,
  );
  if (before === undefined) return life.startedAtMs;
  return before.left === undefined ? before.servedAtMs : before.endedAtMs;
}
