import { formatDuration, parseDuration } from '../../faults/units.ts';
import { putRightId, type ScenarioDocument } from '../definition.ts';
import { lower } from './lower.ts';
import type { Search } from './search.ts';
import { type Step, stepsOf } from './timeline.ts';

/** Earlier steps, and a shorter run: the pauses between steps as short and as round as they may be. */
export async function shrinkTimes(search: Search): Promise<void> {
  const { duration } = search.document;
  const { isCompleted } = search;
  const timesNow = () => timesOf(search.document, isCompleted);
  const count = timesNow().length;
  for (let index = 0; index < count; index++) {
    const times = timesNow();
    const pause = (times[index] ?? 0) - (times[index - 1] ?? 0);
    await lower(pause, (next) => search.attempt(moved(search.document, index, next - pause, isCompleted)));
  }
  const last = timesNow().at(-1) ?? 0;
  const durationMs = millisecondsOf(duration);
  if (durationMs === undefined) return;
  await lower(durationMs - last, (next) =>
    search.attempt({ ...search.document, duration: formatDuration(exact(last + next)) }),
  );
}

/** Times of the steps that have one, ascending. */
function timesOf(document: ScenarioDocument, isCompleted: boolean): number[] {
  return stepsOf(document)
    .flatMap((step) => (isTimed(step, isCompleted) ? [millisecondsOf(step.at) ?? 0] : []))
    .toSorted((a, b) => a - b);
}

/** All steps from the index-th in time on happen `byMs` later. */
function moved(document: ScenarioDocument, index: number, byMs: number, isCompleted: boolean): ScenarioDocument {
  const times = timesOf(document, isCompleted);
  const from = times[index] ?? 0;
  // Of steps at the same moment those before the index stay.
  let stay = index - times.indexOf(from);
  return {
    ...document,
    timeline: stepsOf(document).map((step) => {
      const at = isTimed(step, isCompleted) ? millisecondsOf(step.at) : undefined;
      if (at === undefined || at < from || (at === from && stay-- > 0)) return step;
      return { ...step, at: formatDuration(exact(at + byMs)) };
    }),
  };
}

/** What is derived from the steps gets its time from them too. */
function isTimed(step: Step, isCompleted: boolean): boolean {
  return step.at !== undefined && !(isCompleted && step.id === putRightId);
}

function millisecondsOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : typeof value === 'string' ? parseDuration(value) : undefined;
}

/** Whole microseconds: sums of decimal fractions are not exact. */
function exact(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
