import type { TimelineEntry } from '../scenario/runRecord.ts';

/** One command of the operator's, and whether it failed. */
export interface OperatorAct {
  readonly atMs: number;
  /** As it was typed: `systemctl start stemedb-api`, `POST stemedb-1 /v1/admin/rate-limit {…}`. */
  readonly command: string;
  readonly failed: boolean;
}

/** Commands that only look: requests without effect, and what a shell prints. */
const looks =
  /^(GET|HEAD|cat|ls|df|du|ps|top|stat|tail|head|grep|journalctl|iostat|vmstat|lsblk|promtool|sleep|systemctl (status|is-active|show|list-units)|aws \S+ (describe|list|get)-\S+)\b|^mount$|^sed (?!.*-i)|^curl (?!.*(-X *(POST|PUT|DELETE|PATCH)|--request|-d|--data))/;

/** What the operator did, in order. */
export function operatorActs(timeline: readonly TimelineEntry[]): OperatorAct[] {
  return timeline.flatMap((entry, index): OperatorAct[] => {
    if (entry.kind !== 'operator') return [];
    const command = entry.text.replace(/^operator:\s*/, '');
    const answer = timeline.slice(index + 1).find(({ kind, data }) => kind === 'note' && isAnswerTo(data, command));
    return [{ atMs: entry.atMs, command, failed: (answer?.data as { failed?: boolean } | undefined)?.failed === true }];
  });
}

function isAnswerTo(data: unknown, command: string): boolean {
  return typeof data === 'object' && data !== null && 'command' in data && data.command === command;
}

/** True of a command that may change something, even if it fails. */
export function changesSomething({ command }: OperatorAct): boolean {
  return !looks.test(command);
}
