import type { AlertLogEntry, FaultLogEntry, OperationsSummary, RunRecord } from '../scenario/runRecord.ts';
import { formatClock, formatMoment, formatSpan } from './formatTime.ts';
import { type Guilt, guiltOf, type Suspect } from './guilt.ts';
import { table } from './markdown.ts';
import { type ResponseTimes, responseTimes } from './responseTimes.ts';
import { slowerSentence, tellStory, titleWithPlanted } from './story.ts';
import { violationTimes } from './violationCount.ts';

/** Candidates for a root cause that are listed; the rest is in the fault log. */
const candidatesMax = 10;

/**
 * A postmortem as far as a run can write one: summary, impact, trigger, candidates for the root cause, detection, timeline, what
 * went well and badly as measured. Action items are left to people.
 */
export function postmortemMarkdown(record: RunRecord): string {
  const story = tellStory(record);
  const times = responseTimes(record);
  const guilt = guiltOf(record);
  const lines = [
    `# Postmortem: ${titleWithPlanted(record)}`,
    '',
    '## Summary',
    '',
    story.headline,
    '',
    ...story.summary.map(({ question, answer }) => `- **${question}:** ${answer}`),
    '',
    '## Impact',
    '',
    ...impact(record, times),
    '## Trigger',
    '',
    ...trigger(times, guilt),
    '## Root-cause candidates',
    '',
    ...candidates(record, times, guilt),
    '## Detection',
    '',
    ...detection(record.alerts, times, guilt),
    '## Timeline',
    '',
    ...table(
      ['time', 'what', ''],
      story.steps.map(({ atMs, title, detail }) => [formatClock(atMs), title, detail]),
    ),
    '## What went well',
    '',
    ...bullets(wentWell(record, times)),
    '## What went badly',
    '',
    ...bullets(wentBadly(record, times)),
    '## Action items',
    '',
    '- [ ] ',
    '',
    '## To see it again',
    '',
    '```sh',
    record.command,
    '```',
    '',
    `Seed ${record.seed}, commit ${record.commit}, fingerprint ${record.fingerprint}.`,
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function bullets(items: readonly string[]): string[] {
  return items.length === 0 ? ['Nothing that was measured.', ''] : [...items.map((item) => `- ${item}`), ''];
}

function span(ms: number | undefined): string {
  return ms === undefined ? 'it was not' : formatSpan(ms);
}

function impact({ operations, virtualMs }: RunRecord, times: ResponseTimes): string[] {
  const { total, ok, fail, info, errors } = operations;
  const share = (count: number) => (total === 0 ? '' : ` (${((100 * count) / total).toFixed(2)} %)`);
  const codes = Object.entries(errors)
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => `${code} ${count}`);
  const from = times.trigger?.startMs ?? virtualMs;
  const until = times.toRecoverMs === undefined ? virtualMs : from + times.toRecoverMs;
  return [
    ...table(
      ['measure', 'value'],
      [
        ['operations', `${total}: ${ok} succeeded, ${fail} refused${share(fail)}, ${info} in doubt${share(info)}`],
        ['refused or in doubt', troubled(operations)],
        ['errors', codes.join(', ') || 'none'],
        ['worst stretch', worstShare(operations)],
        ['worst p99 before the trigger', worst(operations, 0, from)],
        ['worst p99 during the incident', worst(operations, from, until)],
        ['worst p99 afterwards', worst(operations, until, virtualMs)],
        ['time to detect', span(times.toDetectMs)],
        ['time to mitigate', span(times.toMitigateMs)],
        ['time to recover', span(times.toRecoverMs)],
      ],
    ),
  ];
}

/** Highest 99th percentile of successful operations among the windows that lie within these times. */
function worst({ windows }: OperationsSummary, fromMs: number, toMs: number): string {
  const inside = windows.filter((window) => window.fromMs >= fromMs && window.toMs <= toMs && window.ok > 0);
  if (inside.length === 0) return 'no operation';
  return formatSpan(Math.max(...inside.map((window) => window.p99Ms)));
}

/** From the first to the last stretch in which a client was refused or left in doubt. */
function troubled({ windows }: OperationsSummary): string {
  const bad = windows.filter(({ fail, info }) => fail + info > 0);
  const [first, last] = [bad[0], bad.at(-1)];
  if (first === undefined || last === undefined) return 'never';
  return `${formatClock(first.fromMs)} to ${formatClock(last.toMs)}, in ${bad.length} of ${windows.length} stretches`;
}

/** The stretch with the smallest share of successes. */
function worstShare({ windows }: OperationsSummary): string {
  const share = ({ ok, fail, info }: (typeof windows)[number]): number => ok / (ok + fail + info);
  const asked = windows.filter(({ ok, fail, info }) => ok + fail + info > 0);
  const [first, ...rest] = asked;
  if (first === undefined) return 'no operation';
  const worst = rest.reduce((low, window) => (share(window) < share(low) ? window : low), first);
  return `${(100 * share(worst)).toFixed(1)} % succeeded from ${formatClock(worst.fromMs)} to ${formatClock(worst.toMs)}`;
}

/** What began it: of a violation the likeliest fault of its stretch, else the first fault of the run. */
function trigger({ trigger: began }: ResponseTimes, [first]: readonly Guilt[]): string[] {
  if (began === undefined) return ['No fault was injected, and no operator changed anything before.', ''];
  if (began.kind === 'operator') return [`The operator, ${formatClock(began.startMs)}: \`${began.command}\`.`, ''];
  const { fault } = began;
  const [suspect = first?.before] = first?.faults ?? [];
  if (first === undefined || suspect === undefined) return [`${describe(fault)}.`, ''];
  if (suspect.id === fault.id) return [`${describe(fault)}.`, ''];
  return [`${sayShort(suspect)}, before ${first.check} was violated. The first fault: ${describe(fault)}.`, ''];
}

function sayShort({ name, text, fromMs, toMs }: Suspect): string {
  const until = toMs > fromMs ? ` to ${formatMoment(toMs)}` : '';
  return `\`${name}\`, ${formatMoment(fromMs)}${until}: ${text}`;
}

function describe({ name, nodes, text, startMs, endMs }: FaultLogEntry): string {
  const where = nodes.length === 0 ? '' : ` on ${nodes.join(', ')}`;
  const until = endMs === undefined ? '' : ` to ${formatClock(endMs)}`;
  return `\`${name}\`${where}, ${formatClock(startMs)}${until}: ${text}`;
}

function candidates(record: RunRecord, times: ResponseTimes, guilt: readonly Guilt[]): string[] {
  return guilt.length === 0 ? nearestFaults(record, times) : guilt.slice(0, candidatesMax).flatMap(suspects);
}

/** One violated check: its stretch in words, and the faults in it, the likeliest first. */
function suspects({ check, node, sentence, faults, before, operations }: Guilt): string[] {
  const listed = faults.length === 0 && before !== undefined ? [before] : faults;
  return [
    `### ${check}${node === undefined ? '' : ` on ${node}`}`,
    '',
    sentence,
    '',
    ...listed.map((each, index) => `${index + 1}. ${sayShort(each)}${each.isOnNode ? '' : ' (on another node)'}`),
    ...(listed.length > 0 ? [''] : []),
    ...(operations.length > 0 ? [`Operations that show it: ${operations.join(', ')}.`, ''] : []),
  ];
}

/** Faults by their distance from what first went wrong: those that lasted then, then those that ended before it, latest first. */
function nearestFaults({ faults, violations, virtualMs }: RunRecord, times: ResponseTimes): string[] {
  const wrongMs = violations.reduce((first, { atMs }) => Math.min(first, atMs ?? first), virtualMs);
  const symptomMs = Math.min(wrongMs, times.detectedBy?.pendingMs ?? virtualMs);
  const distance = ({ startMs, endMs }: FaultLogEntry) =>
    (endMs ?? startMs) >= symptomMs ? 0 : symptomMs - (endMs ?? startMs);
  const before = faults
    .filter((fault) => fault.startMs <= symptomMs)
    .sort((a, b) => distance(a) - distance(b) || b.startMs - a.startMs);
  if (before.length === 0) return ['No fault came before what went wrong: the engine itself.', ''];
  const more = before.length - candidatesMax;
  return [
    `What first went wrong was seen at ${formatClock(symptomMs)}. Nearest to it:`,
    '',
    ...before.slice(0, candidatesMax).map((fault, index) => `${index + 1}. ${describe(fault)}`),
    ...(more > 0 ? [`${candidatesMax + 1}. … ${more} more in \`report.json\``] : []),
    '',
  ];
}

/** Which alerts fired, and of each violated check whether one fired while it came about. */
function detection(alerts: readonly AlertLogEntry[], times: ResponseTimes, guilt: readonly Guilt[]): string[] {
  return [
    ...alertTable(alerts, times),
    ...guilt.slice(0, candidatesMax).map((each) => `- ${seenBy(alerts, each)}`),
    ...(guilt.length > 0 ? [''] : []),
  ];
}

function seenBy(alerts: readonly AlertLogEntry[], { check, fromMs, toMs }: Guilt): string {
  const meanwhile = alerts.filter(
    ({ firingMs, resolvedMs }) => firingMs !== undefined && firingMs <= toMs && (resolvedMs ?? toMs) >= fromMs,
  );
  const names = [...new Set(meanwhile.map((alert) => alert.name))].join(', ');
  const noticed = names === '' ? 'no alert fired by then' : `firing meanwhile: ${names}`;
  return `${check} was seen broken at ${formatMoment(toMs)} by the check itself; ${noticed}.`;
}

function alertTable(alerts: readonly AlertLogEntry[], { trigger: fault }: ResponseTimes): string[] {
  const after = (ms: number | undefined) =>
    ms === undefined || fault === undefined || ms < fault.startMs ? '' : ` (+${formatSpan(ms - fault.startMs)})`;
  return table(
    ['alert', 'severity', 'pending', 'fires', 'resolved'],
    alerts.map(({ name, severity, pendingMs, firingMs, resolvedMs }) => [
      name,
      severity,
      formatClock(pendingMs),
      firingMs === undefined ? 'never' : `${formatClock(firingMs)}${after(firingMs)}`,
      resolvedMs === undefined ? 'not by the end' : formatClock(resolvedMs),
    ]),
  );
}

function wentWell(record: RunRecord, times: ResponseTimes): string[] {
  const { expectations, violations, operations } = record;
  const held = expectations.filter(({ outcome }) => outcome === 'held').length;
  return [
    ...(times.detectedBy === undefined || times.toDetectMs === undefined
      ? []
      : [`${times.detectedBy.name} fired ${formatSpan(times.toDetectMs)} after the trigger.`]),
    ...(times.toRecoverMs === undefined
      ? []
      : [`Everything had cleared ${formatSpan(times.toRecoverMs)} after the trigger.`]),
    ...(violations.length === 0 ? [`No check was violated over ${operations.total} operations.`] : []),
    ...(held === 0 ? [] : [`${held} of ${expectations.length} expectations held.`]),
  ];
}

function wentBadly(record: RunRecord, times: ResponseTimes): string[] {
  const { operations, expectations, violations } = record;
  const byCheck = Map.groupBy(violations, (violation) => violation.check);
  return [
    ...[...byCheck].map(([check, all]) => `${check} was violated ${violationTimes(all)}: ${all[0]?.message ?? ''}`),
    ...expectations
      .filter(({ outcome }) => outcome !== 'held')
      .map(({ outcome, text, detail }) => `${outcome}: ${text} (${detail})`),
    ...(times.trigger !== undefined && times.detectedBy === undefined ? ['No alert fired after the trigger.'] : []),
    ...times.unrecovered.map((text) => `At the end ${text}.`),
    ...slowerSentence(record),
    ...(operations.fail > 0 ? [`${operations.fail} operations were refused.`] : []),
    ...(operations.info > 0 ? [`${operations.info} operations ended in doubt.`] : []),
  ];
}
