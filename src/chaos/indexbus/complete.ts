import { parseDuration } from '../../faults/units.ts';
import type { ScenarioDocument } from '../definition.ts';

type TimelineStep = Readonly<Record<string, unknown>>;

/** How long everything may take to be quiet again, healed: a slow consumer with a lane of one message has a backlog of thousands. */
const healWithin = '4m';

/**
 * Derives from the steps what may be demanded: every check, a quiet bus at the end, and that no router ends by itself.
 *
 * @returns undefined when a step would come after the end
 */
export function complete(document: ScenarioDocument): ScenarioDocument | undefined {
  const steps = (document.timeline as readonly TimelineStep[] | undefined) ?? []; // as the definition makes it
  const durationMs = milliseconds(document.duration) ?? 0;
  if (steps.some((step) => (milliseconds(step.at) ?? 0) >= durationMs)) return undefined;
  const { title: _, ...rest } = document;
  return {
    title: 'Chaos: what is sent arrives or is counted, once, in order, and everybody goes on',
    ...rest,
    timeline: steps,
    expect: { checks: 'all' },
    finally: { within: healWithin },
  };
}

/** A duration of a document in milliseconds; undefined if it is none. */
function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseDuration(value) : undefined;
}
