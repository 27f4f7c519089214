import { putRightId, type ScenarioDocument } from '../definition.ts';
import { milliseconds, natureOf, type TimelineStep } from './nature.ts';

/** Before the end of a run, so long, the operator comes. */
const putRightBeforeEndMs = 2_500;

/**
 * Derives from the steps what may be demanded. A run with damaged media is judged as it stands; one in which a process may
 * have ended gets an operator who restarts it; every other must recover by itself.
 *
 * @returns undefined when the operator would come before the faults are over, or when nothing would be left to detect the
 * damage by: the demands on such a run would be unsound
 */
export function complete(document: ScenarioDocument): ScenarioDocument | undefined {
  const timeline = document.timeline as readonly TimelineStep[] | undefined; // as the definition makes it
  const steps = (timeline ?? []).filter((step) => step.id !== putRightId);
  const nature = natureOf(steps);
  const durationMs = milliseconds(document.duration) ?? 0;
  // A step of the last moment has no time left in which to happen.
  if (nature.unprovable || (steps.length > 0 && nature.lastStepMs >= durationMs)) return undefined;
  const { title: _, ...rest } = document;
  const restartAtMs = durationMs - putRightBeforeEndMs;
  const restarts = nature.needsRestart && !nature.media;
  if (restarts && nature.lastEndMs >= restartAtMs) return undefined;
  return {
    title: nature.media ? 'Chaos with damaged media: detection is demanded' : 'Chaos: recovery is demanded',
    ...rest,
    timeline: restarts
      ? [...steps, { id: putRightId, at: `${restartAtMs}ms`, fault: 'operator.restart', nodes: 'all' }]
      : steps,
    expect: { checks: 'all', exits: exitsOf(nature.media, nature.needsRestart) },
    // With one copy, damage of acknowledged bytes can only be detected: nothing demands that such a run recovers.
    finally: nature.media ? 'leave' : { within: '60s' },
  };
}

/** Exits that a run may have. A refusal is judged by its reasons (C9), not by its number. */
function exitsOf(media: boolean, needsRestart: boolean): readonly Record<string, unknown>[] {
  const refused = { code: 65, optional: true };
  const failed = { code: 74, optional: true };
  return media || needsRestart ? [refused, failed] : [];
}
