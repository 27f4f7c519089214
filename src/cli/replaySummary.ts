import { basename } from 'node:path';
import { historyFileName } from '../report/historyFile.ts';
import { perfettoFileName } from '../report/perfetto.ts';
import { violationCount } from '../report/violationCount.ts';
import type { RunRecord } from '../scenario/runRecord.ts';

/** What stands at the end of a run. */
export function summaryOf(record: RunRecord, files: readonly string[]): string {
  const held = record.expectations.filter((result) => result.outcome === 'held').length;
  const { ok, fail, info, total } = record.operations;
  const speed = record.realMs > 0 ? Math.round(record.virtualMs / record.realMs) : 0;
  const page = files.find((file) => file.endsWith('.html'));
  const lines = [
    '',
    `${record.verdict}: ${record.title}, seed ${record.seed}${plantedIn(record)}`,
    ...record.reasons.slice(0, 20).map((reason) => `  ${reason}`),
    // Of a regression that is back, whoever reads this asks first where it came from.
    ...(record.verdict === 'held' || record.source === undefined ? [] : [`  source       ${record.source}`]),
    `  ${held} of ${record.expectations.length} expectations held${othersOf(record)}; ${foundBy(record)}`,
    `  ${total} operations: ${ok} ok, ${fail} refused, ${info} in doubt`,
    `  ${(record.virtualMs / 60_000).toFixed(1)} min of virtual time in ${(record.realMs / 1000).toFixed(1)} s (${speed} × real time), ${record.events} events`,
    `  fingerprint  ${record.fingerprint}`,
    ...(page === undefined
      ? files.map((file) => `  report       ${file}`)
      : [`  report       ${page}  (open it in a browser)`, ...besides(files)]),
    `  again        ${record.command}`,
    '',
  ];
  return lines.join('\n');
}

/** What the page is not: files for other programs. */
function besides(files: readonly string[]): string[] {
  const named = (name: string) => files.find((file) => basename(file) === name);
  const trace = named(perfettoFileName);
  const history = named(historyFileName);
  return [
    ...(trace === undefined ? [] : [`  trace        ${trace}  (open it in https://ui.perfetto.dev)`]),
    ...(history === undefined ? [] : [`  history      ${history}  (every operation, one a line)`]),
  ];
}

function othersOf({ expectations }: RunRecord): string {
  return (['violated', 'undecided'] as const)
    .map((outcome) => ({ outcome, many: expectations.filter((result) => result.outcome === outcome).length }))
    .map(({ outcome, many }) => (many === 0 ? '' : `, ${many} ${outcome}`))
    .join('');
}

function foundBy({ violations }: RunRecord): string {
  if (violations.length === 0) return 'no check found a violation';
  return `the checks found ${violationCount(violations)} violation${violations.length === 1 ? '' : 's'}`;
}

function plantedIn({ mutants = [] }: RunRecord): string {
  return mutants.length === 0 ? '' : `, with the planted bug ${mutants.join(', ')}`;
}
