import { liesAboutSync, mediaFaults } from '../../checkers/stemedb/damage.ts';
import { parseDuration } from '../../faults/units.ts';

/** A fault step as a document has it. */
export type TimelineStep = Readonly<Record<string, unknown>>;

/** What the steps of a run allow to be demanded of it. */
export interface Nature {
  /**
   * Bytes that the disk called durable may be damaged or lost: with one copy that can only be detected, so a refusal is
   * demanded and not recovery.
   */
  readonly media: boolean;
  /** A process may end, or a journal stay failed: somebody must restart it. */
  readonly needsRestart: boolean;
  /** So much is destroyed that nothing may be left to detect it by. */
  readonly unprovable: boolean;
  /** When the last step begins, in virtual milliseconds. */
  readonly lastStepMs: number;
  /** When the last lasting fault is healed by itself. */
  readonly lastEndMs: number;
}

const restartFaults = ['disk.sync-error', 'disk.write-error', 'disk.read-error', 'disk.read-only'];

/** Bytes at the beginning of a segment, where its header stands. */
const headerBytes = 4_096;

/** Judges the fault steps of a timeline by their names and parameters. */
export function natureOf(steps: readonly TimelineStep[]): Nature {
  return {
    media: steps.some((step) => mediaFaults.includes(nameOf(step))) || losesSynced(steps),
    needsRestart: steps.some(
      (step) =>
        restartFaults.includes(nameOf(step)) ||
        (nameOf(step) === 'disk.full' && ['write', 'sync'].includes(String(parametersOf(step).at))),
    ),
    unprovable: isUnprovable(steps),
    lastStepMs: Math.max(0, ...steps.map(startOf)),
    lastEndMs: Math.max(0, ...steps.map((step) => startOf(step) + (milliseconds(step.duration) ?? 0))),
  };
}

/** Virtual milliseconds at which a step begins. */
export function startOf(step: TimelineStep): number {
  return milliseconds(step.at) ?? 0;
}

/** A duration of a document in milliseconds; undefined if it is none. */
export function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseDuration(value) : undefined;
}

function nameOf(step: TimelineStep): string {
  return String(step.fault ?? '');
}

/** Parameters stand under `with` or beside the step's own keys. */
function parametersOf(step: TimelineStep): TimelineStep {
  const under = step.with;
  const isMap = typeof under === 'object' && under !== null;
  const { at: _, ...beside } = step;
  return { ...beside, ...(isMap ? under : {}) };
}

/**
 * Whether acknowledged bytes may be gone because a sync said that all is well and had failed: they are in the page cache
 * alone. A restart finds them there and makes them durable; a loss of power before it does not.
 */
function losesSynced(steps: readonly TimelineStep[]): boolean {
  return steps.some((step) => {
    const parameters = parametersOf(step);
    if (!liesAboutSync(nameOf(step), parameters) || parameters.device === 'sdc') return false;
    return steps.some(
      (later) =>
        nameOf(later) === 'process.power-loss' && startOf(later) >= startOf(step) && mayMeet(step.nodes, later.nodes),
    );
  });
}

/**
 * Two of these on one node, and nothing may be left that proves what was acknowledged: the witness is gone; a segment is
 * gone; the headers of the segments cannot be read.
 */
function isUnprovable(steps: readonly TimelineStep[]): boolean {
  const destroying = steps.flatMap((step) => {
    if (nameOf(step) === 'operator.delete-file') return [step];
    if (nameOf(step) !== 'disk.sector-error') return [];
    const { path, range } = parametersOf(step) as {
      readonly path?: string;
      readonly range?: { readonly from?: number; readonly to?: number };
    }; // its schema
    if (range?.to !== undefined || (range?.from ?? 0) >= headerBytes) return [];
    // Without a path it takes the witness and the headers at once.
    return path === undefined ? [step, step] : [step];
  });
  return destroying.some((step, index) =>
    destroying.slice(index + 1).some((other) => mayMeet(step.nodes, other.nodes)),
  );
}

/** Whether two node specs may mean the same node. Words such as `minority` may mean any. */
function mayMeet(a: unknown, b: unknown): boolean {
  const [left, right] = [namesOf(a), namesOf(b)];
  return left === undefined || right === undefined || left.some((name) => right.includes(name));
}

function namesOf(spec: unknown): readonly string[] | undefined {
  const names = [spec].flat().map(String);
  return names.every((name) => /-\d+$/.test(name)) ? names : undefined;
}
