import { createHash } from 'node:crypto';
import type { RunTask } from '../executor.ts';

/** The run's identity, and all else that its result depends on, as a name that BullMQ takes. */
export function jobIdOf(task: RunTask): string {
  const rest = createHash('sha256').update(JSON.stringify(task)).digest('hex').slice(0, 12);
  return `${task.run}-${rest}`;
}

/** The run that a job is for. */
export function runOf(jobId: string): string {
  return jobId.replace(/-[^-]*$/, '');
}

/** Why a run failed, for people; `failedReason` as BullMQ keeps it. */
export function reasonOf(run: string, failedReason: string): string {
  // BullMQ's words for a run whose workers fell silent more often than the worker's `stalledMax`.
  if (failedReason.startsWith('job stalled more than'))
    return 'one worker after another fell silent with it; most likely it takes more memory than they have';
  // The worker's own executor has named the run already.
  return failedReason.startsWith(`run ${run}: `) ? failedReason.slice(`run ${run}: `.length) : failedReason;
}
