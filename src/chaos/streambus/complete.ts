import { parseDuration } from '../../faults/units.ts';
import type { ScenarioDocument } from '../definition.ts';

type TimelineStep = Readonly<Record<string, unknown>>;

/** Faults after which a broker ends by itself, as it must: a failed sync is never tried again. */
const endingFaults: ReadonlySet<string> = new Set(['disk.sync-error', 'disk.write-error', 'process.old-disk']);

/** Of a broker that runs, and of one whose start the disk refuses. */
const endingCodes = [70, 74];

/** How long everything may take to come back, healed: the bounds of the contract are checked one by one. */
const healWithin = '150s';

/**
 * Derives from the steps what may be demanded: every check, recovery of the whole cluster, and that no broker ends by itself unless its
 * own disk refused a write, was set back or was cleared.
 *
 * @returns undefined when a step would come after the end
 */
export function complete(document: ScenarioDocument): ScenarioDocument | undefined {
  const steps = (document.timeline as readonly TimelineStep[] | undefined) ?? []; // as the definition makes it
  const durationMs = milliseconds(document.duration) ?? 0;
  if (steps.some((step) => (milliseconds(step.at) ?? 0) >= durationMs)) return undefined;
  const { title: _, ...rest } = document;
  return {
    title: 'Chaos: nothing acknowledged is lost, and the cluster comes back',
    ...rest,
    timeline: steps,
    expect: { checks: 'all', exits: exitsOf(steps) },
    finally: { within: healWithin },
  };
}

/** Which brokers may end by themselves, and how. */
function exitsOf(steps: readonly TimelineStep[]): readonly Readonly<Record<string, unknown>>[] {
  const ending = steps.filter(
    // Who deletes directories of a broker that runs takes the ground from under it.
    (step) => endingFaults.has(String(step.fault ?? '')) || String(step.operator ?? '').startsWith('rm -rf'),
  );
  const hit = new Set(ending.flatMap(({ nodes, on }) => [nodes ?? on].flat().map(String)));
  const mayEndWith = endingCodes.map((code) => ({ code, optional: true }));
  // Who leads then is known once it happens.
  if (['all', 'primary'].some((some) => hit.has(some))) return mayEndWith;
  return [...hit].sort().flatMap((node) => mayEndWith.map((exit) => ({ node, ...exit })));
}

/** A duration of a document in milliseconds; undefined if it is none. */
function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseDuration(value) : undefined;
}
