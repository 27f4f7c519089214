import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout } from './clients.ts';
import type { StateSample, StemeEvidence } from './evidence.ts';
import { faultActive, isLogFile } from './facts.ts';

/** How long the journal may stay read-only after there is room again: its poll is one second. */
const reopenMs = 2_000;
/** Below this many free inodes the journal turns read-only. */
const reserveInodes = 1_000;

/** C15: when space runs out, reads answer and no batch is in doubt; when it returns, writing resumes without a restart. */
export const space: StemeCheck = {
  name: 'space',
  number: 'C15',
  claim: 'full: no acked loss, reads answer; open <= 2 s after 2 segments are free, no restart',
  run(evidence) {
    const findings = new Findings('C15 space');
    const readOnly = evidence.samples.filter((sample) => sample.walState === 'read-only');
    checkReads(evidence, readOnly, findings);
    checkReserve(evidence, findings);
    const windows = checkReopening(evidence, findings);
    return findings.result(`${readOnly.length} samples in read-only, ${windows} returns of space`);
  },
};

function checkReads(evidence: StemeEvidence, readOnly: readonly StateSample[], findings: Findings): void {
  if (readOnly.length === 0) return;
  const within = (atMs: number) => readOnly.some((sample) => Math.abs(sample.atMs - atMs) < 500);
  for (const request of evidence.requests) {
    const isRead = request.path.startsWith('/v1/assertions/') || request.path.startsWith('/v1/query');
    if (!isRead || request.status < 500 || !within(request.answeredAtMs)) continue;
    if (
      faultActive(
        evidence,
        ['disk.read-error', 'disk.sector-error', 'disk.gone', 'disk.misdirected-read', 'disk.bit-rot'],
        0,
        request.answeredAtMs,
      )
    )
      continue;
    findings.add(`${request.method} ${request.path} was answered ${request.status} while the journal was read-only`, {
      atMs: request.answeredAtMs,
      fromMs: request.arrivedAtMs,
    });
  }
}

/** Space ends between batches: a batch that meets ENOSPC means that the reserve was not kept. */
function checkReserve(evidence: StemeEvidence, findings: Findings): void {
  const noSpace = evidence.disk.find(
    (call) =>
      call.error === 'ENOSPC' && call.batches !== undefined && call.durable === true && isLogFile(call.path, evidence),
  );
  if (noSpace === undefined) return;
  const injected = evidence.faults.some(
    (fault) =>
      fault.name === 'disk.full' &&
      (fault.parameters.at === 'write' || fault.parameters.at === 'sync') &&
      fault.startMs <= noSpace.endedAtMs &&
      fault.endMs >= noSpace.beganAtMs,
  );
  if (!injected) {
    findings.add(`a batch write to ${noSpace.path} met ENOSPC: the journal should have turned read-only before`, {
      atMs: noSpace.endedAtMs,
      fromMs: noSpace.beganAtMs,
      operations: operationsAbout(
        evidence,
        (noSpace.batches ?? []).flatMap((batch) => batch.ids),
      ),
    });
  }
}

function checkReopening(evidence: StemeEvidence, findings: Findings): number {
  const enough =
    Math.max(2 * evidence.config.segmentBytes, evidence.config.reserveBytes) + evidence.config.segmentBytes;
  let since: StateSample | undefined;
  /** When writes were last taken. */
  let openAtMs = 0;
  let windows = 0;
  for (const sample of evidence.samples) {
    if (sample.walState === 'open') openAtMs = sample.atMs;
    const room = (sample.freeBytes ?? 0) >= enough && (sample.freeInodes ?? 0) > reserveInodes;
    const disturbed = faultActive(evidence, ['disk.', 'process.'], sample.atMs - reopenMs, sample.atMs);
    if (sample.walState !== 'read-only' || !room || disturbed || since?.incarnation !== sample.incarnation) {
      since = sample.walState === 'read-only' && room && !disturbed ? sample : undefined;
      continue;
    }
    windows++;
    if (sample.atMs - since.atMs > reopenMs) {
      findings.add(
        `the journal was still read-only ${((sample.atMs - since.atMs) / 1000).toFixed(1)} s after ${since.freeBytes} bytes were free`,
        { atMs: sample.atMs, fromMs: openAtMs },
      );
      since = undefined;
    }
  }
  return windows;
}
