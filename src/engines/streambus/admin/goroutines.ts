import type { TaskView } from './context.ts';

/**
 * What is under way, in the form of Go's goroutine dumps, so that the tools for those read it: one block a task, whose first line
 * begins with `goroutine `.
 */
export function dumpTasks(tasks: readonly TaskView[]): string {
  const blocks = tasks.map(({ state, forMs, what, where, by }, at) => {
    const since = forMs === undefined ? '' : `, ${spanOf(forMs)}`;
    return `goroutine ${at + 1} [${state}${since}]:\n${what}\n\t${where}\ncreated by ${by}\n`;
  });
  return blocks.join('\n');
}

/** The same, like tasks together: Go's `debug=1`. */
export function groupTasks(tasks: readonly TaskView[]): string {
  const counts = new Map<string, number>();
  for (const { state, where } of tasks) counts.set(`${where} [${state}]`, (counts.get(`${where} [${state}]`) ?? 0) + 1);
  const lines = [...counts]
    .sort(([leftName, left], [rightName, right]) => right - left || (leftName < rightName ? -1 : 1))
    .map(([name, count]) => `${count} @ ${name}`);
  return `goroutine profile: total ${tasks.length}\n${lines.join('\n')}\n`;
}

function spanOf(ms: number): string {
  // Go says minutes from the first one on; below, what is waited for here is worth its milliseconds.
  return ms >= 60_000 ? `${Math.floor(ms / 60_000)} minutes` : `${Math.round(ms)} ms`;
}
