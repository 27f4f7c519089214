import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout } from './clients.ts';
import type { DiskCall, JournalImage, Life, StemeEvidence } from './evidence.ts';
import {
  faultActive,
  isAcceptedLoss,
  isBelowIndex,
  isDamagedMeanwhile,
  isLogFile,
  lastLsn,
  mediaDamagedBefore,
  provenLsn,
} from './facts.ts';

/**
 * C5: recovery keeps exactly the valid prefix that it found; interrupted and begun again, it finds and keeps the same; and
 * one that refuses changes nothing.
 */
export const recoveryIdempotent: StemeCheck = {
  name: 'recovery-idempotent',
  number: 'C5',
  claim:
    'recovery twice gives the same bytes; a crash within recovery, then recovery, gives the same set; a refusal changes nothing',
  run(evidence) {
    const findings = new Findings('C5 recovery-idempotent');
    let compared = 0;
    evidence.lives.forEach((life, index) => {
      if (life.recovered !== undefined && !mediaReadMayDiffer(evidence, life) && !isBelowIndex(life)) {
        compared++;
        // What was found as valid is kept: neither more nor less (a typed loss adds records of its own).
        const difference = firstDifference(life.found, life.recovered, evidence);
        if (difference !== undefined) {
          findings.add(`incarnation ${life.incarnation} recovered another log than it found: ${difference}`, {
            atMs: life.recovered.atMs,
            fromMs: life.startedAtMs,
          });
        }
      }
      if (refused(life)) {
        compared++;
        // What is damaged after it was judged whole is refused when it is read again: the tail may be copied by then.
        if (isDamagedMeanwhile(evidence, life)) return;
        const touched = evidence.disk.find((call) => changesLog(call, life, evidence));
        if (touched !== undefined) {
          findings.add(
            `incarnation ${life.incarnation} refused to start, yet had done a ${touched.operation} of ${touched.path}`,
            { atMs: touched.beganAtMs, fromMs: life.startedAtMs },
          );
        }
        return;
      }
      // Of a log on another disk (nothing mounted, or the wrong thing) this one says nothing.
      const next = evidence.lives
        .slice(index + 1)
        .find((later) => later.node === life.node && later.device === life.device);
      if (next === undefined) return;
      compared++;
      const lost = life.recovered === undefined ? interrupted(evidence, life, next) : unserved(evidence, life, next);
      if (lost !== undefined) {
        const { message, id } = lost;
        findings.add(message, {
          atMs: next.startedAtMs,
          fromMs: life.recovered?.atMs ?? life.startedAtMs,
          ...(id === undefined ? {} : { operations: operationsAbout(evidence, [id]) }),
        });
      }
    });
    return findings.result(`${compared} recoveries, finished, interrupted or refused`);
  },
};

/** What a start no longer found: in words, and the record where it is one. */
interface Loss {
  readonly message: string;
  readonly id?: string;
}

/** Exit code of a start that refused damaged data (EX_DATAERR). */
const refusedExitCode = 65;

/** A start that judged the log and refused it: a verdict, not an interruption. */
function refused(life: Life): boolean {
  return life.recovered === undefined && life.exit?.code === refusedExitCode;
}

/** A call by which this process changed the directory of its log: a file of it, or a name in it. */
function changesLog(call: DiskCall, life: Life, evidence: StemeEvidence): boolean {
  return (
    call.incarnation === life.incarnation &&
    ['write', 'truncate', 'allocate', 'rename', 'remove'].includes(call.operation) &&
    isLogFile(call.path, evidence)
  );
}

function firstDifference(found: JournalImage, kept: JournalImage, evidence: StemeEvidence): string | undefined {
  const length = Math.min(found.records.length, kept.records.length);
  for (let index = 0; index < length; index++) {
    const [a, b] = [found.records[index], kept.records[index]];
    if (a?.id !== b?.id || a?.sum !== b?.sum) return `LSN ${a?.lsn} has other bytes`;
  }
  if (kept.records.length < found.records.length && !isTakenBack(evidence, found, kept)) {
    return `it found ${found.records.length} intact records and kept ${kept.records.length}`;
  }
  // Between the recovery and the first look new writes may already have come: only those may be more.
  const extra = kept.records
    .slice(length)
    .find((record) => record.type < 240 && !evidence.requests.some((request) => request.ids.includes(record.id)));
  return extra === undefined ? undefined : `LSN ${extra.lsn} is there that was not found`;
}

/**
 * The records that were found and not kept are those of writes that were still under way when their process died, and a sync
 * failed meanwhile that takes the bytes back: then they left the page cache between the look of the stand and the start's own.
 */
function isTakenBack(evidence: StemeEvidence, found: JournalImage, kept: JournalImage): boolean {
  const reverted = evidence.faults.some(
    ({ name, parameters, startMs, endMs }) =>
      name === 'disk.sync-error' && parameters.variant === 'revert' && startMs <= kept.atMs && endMs >= found.atMs,
  );
  if (!reverted) return false;
  const underWay = new Set(
    evidence.disk
      .filter((call) => call.operation === 'write' && call.beganOrder < found.order && call.endedOrder > found.order)
      .flatMap((call) => call.batches ?? [])
      .flatMap((batch) => batch.ids),
  );
  return found.records.slice(kept.records.length).every(({ id }) => underWay.has(id));
}

/**
 * What a finished recovery served, somebody may have read: it is durable from then on, acknowledged before or not. One that
 * found no room for the copy serves read-only and finishes later: until then only what was proven is.
 */
function unserved(evidence: StemeEvidence, life: Life, next: Life): Loss | undefined {
  if (life.recovered === undefined || mediaDamagedBefore(evidence, next.startedAtMs)) return undefined;
  const lost = life.recovered.records.find((record, index) => next.found.records[index]?.id !== record.id);
  if (lost === undefined || isAcceptedLoss(evidence, lost.lsn)) return undefined;
  if (lost.lsn > provenLsn(life) && isUnfinished(evidence, life)) return undefined;
  const message = `incarnation ${life.incarnation} recovered and served LSN ${lost.lsn} (${lost.id.slice(0, 12)}); incarnation ${next.incarnation} found a log without it`;
  return { message, id: lost.id };
}

/** The disk had no room for the copy before the process served, and the copy has not taken the segment's name since. */
function isUnfinished(evidence: StemeEvidence, life: Life): boolean {
  const own = evidence.disk.filter((call) => call.incarnation === life.incarnation && call.path.endsWith('/spare.wal'));
  const refused = own.some((call) => call.error === 'ENOSPC' && call.endedOrder < life.servedOrder);
  return refused && !own.some((call) => call.operation === 'rename' && call.error === undefined);
}

/** A recovery that died: without power loss the next finds the same; with one, at least all that was proven. */
function interrupted(evidence: StemeEvidence, life: Life, next: Life): Loss | undefined {
  const before = lastLsn(life.found);
  const after = lastLsn(next.found);
  const powerLost = evidence.powerLosses.some(
    (loss) => loss.order > life.startedOrder && loss.order < next.startedOrder,
  );
  const damaged = faultActive(evidence, ['disk.', 'operator.delete-file'], life.startedAtMs, next.startedAtMs);
  if (!powerLost && !damaged && before !== after) {
    const message = `recovery of incarnation ${life.incarnation} found LSN 1..${before}, was interrupted, and incarnation ${next.incarnation} found 1..${after}`;
    return { message };
  }
  const proven = Math.min(before, life.found.floor);
  if (after < proven && !damaged) {
    const message = `recovery of incarnation ${life.incarnation} found LSN 1..${before} (proven to ${proven}); after its interruption only 1..${after} are left`;
    return { message };
  }
  return undefined;
}

/** Reads that failed or went astray show the process another disk than the one that the stand saw. */
function mediaReadMayDiffer(evidence: StemeEvidence, life: Life): boolean {
  return evidence.faults.some(
    (fault) =>
      [
        'disk.misdirected-read',
        'disk.read-error',
        'disk.bit-rot',
        'disk.sector-error',
        'disk.lost-write',
        'disk.misdirected-write',
      ].includes(fault.name) &&
      fault.startMs <= life.servedAtMs &&
      fault.endMs >= life.startedAtMs,
  );
}
