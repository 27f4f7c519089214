import type { RunRecord } from '../scenario/runRecord.ts';
import { formatClock, formatSpan } from './formatTime.ts';
import { table } from './markdown.ts';
import { tellStory } from './story.ts';

/** The run as a Markdown page: verdict, story, expectations and every line of the timeline. A postmortem can begin with it. */
export function timelineMarkdown(record: RunRecord): string {
  const story = tellStory(record);
  const lines = [
    `# ${record.title}: ${record.verdict}`,
    '',
    story.headline,
    ...story.reasons.map((reason) => `- ${reason}`),
    '',
    ...story.summary.map(({ question, answer }) => `- **${question}:** ${answer}`),
    '',
    ...(record.source === undefined ? [] : [`Source: ${record.source}`, '']),
    `To see it again: \`${record.command}\``,
    '',
    `Seed ${record.seed}, commit ${record.commit}, Node ${record.nodeVersion}, ${formatSpan(record.virtualMs)} of virtual time, ` +
      `${record.events.toLocaleString('en-US')} events, fingerprint ${record.fingerprint}.`,
    '',
    '## Expectations',
    '',
    ...table(
      ['outcome', 'expected', 'seen'],
      record.expectations.map(({ outcome, text, detail }) => [outcome, text, detail]),
    ),
    ...(record.violations.length === 0 ? [] : ['## Violations', '']),
    ...record.violations.flatMap((violation) => [
      `- **${violation.check}**${violation.atMs === undefined ? '' : ` at ${formatClock(violation.atMs)}`}: ${violation.message}`,
    ]),
    ...(record.violations.length === 0 ? [] : ['']),
    '## Timeline',
    '',
    ...table(
      ['time', 'node', 'kind', 'what'],
      record.timeline.map(({ atMs, node, kind, text }) => [formatClock(atMs), node ?? '', kind, text]),
    ),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}
