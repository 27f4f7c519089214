import type { Journal } from '../../storage/journal/index.ts';
import { SLOW_WRITE_MS } from './background.ts';
import type { NodeState } from './metrics.ts';

/**
 * What a store is doing, in one word: the worst first, then what it works on, then how it is.
 * `full`: read-only for want of space on the disk, in the log or in the index. `recovering`: reads are served, the log cannot
 * be written yet. `backlogged`: at least half of the bytes that may wait for the disk do. `slow`: writes of the log take so
 * long that background work holds back. `degraded`: damage of the log is known, the rest is served.
 */
export type Condition =
  | 'failed'
  | 'damaged'
  | 'closed'
  | 'full'
  | 'recovering'
  | 'read-only'
  | 'draining'
  | 'drained'
  | 'rotating'
  | 'snapshotting'
  | 'scrubbing'
  | 'backlogged'
  | 'slow'
  | 'degraded'
  | 'ok';

/** Work of a store that is under way beside its requests, each of which has files open of its own. */
export type Activity = 'recovering' | 'rotating' | 'making-spare' | 'snapshotting' | 'scrubbing';

/** What the condition is read from. Nothing here does I/O. */
export interface ConditionSource {
  readonly journal: Journal;
  readonly nodeState: () => NodeState;
  readonly snapshotting: () => boolean;
  readonly scrubbing: () => boolean;
  readonly isDamageKnown: () => boolean;
  readonly maxPendingBytes: number;
}

/** The condition now. */
export function conditionOf(source: ConditionSource): Condition {
  const { journal } = source;
  const { state } = journal;
  if (state === 'read-only') return readOnlyCondition(journal);
  if (state !== 'open') return state;
  const node = source.nodeState();
  if (node !== 'serving') return node;
  if (journal.isRotating) return 'rotating';
  if (source.snapshotting()) return 'snapshotting';
  if (source.scrubbing()) return 'scrubbing';
  const { pendingBytes, averageWriteMs, inflightMs } = journal.status();
  if (pendingBytes * 2 >= source.maxPendingBytes) return 'backlogged';
  if (Math.max(averageWriteMs, inflightMs) > SLOW_WRITE_MS) return 'slow';
  return source.isDamageKnown() ? 'degraded' : 'ok';
}

/** What is under way now; empty when there are only requests. */
export function activitiesOf({ journal, snapshotting, scrubbing }: ConditionSource): Activity[] {
  const found: Activity[] = [];
  if (journal.state === 'damaged' || journal.status().readOnlyReasons.includes('recovering')) found.push('recovering');
  if (journal.isRotating) found.push('rotating');
  if (journal.isMakingSpare) found.push('making-spare');
  if (snapshotting()) found.push('snapshotting');
  if (scrubbing()) found.push('scrubbing');
  return found;
}

function readOnlyCondition(journal: Journal): Condition {
  const { readOnlyReasons } = journal.status();
  if (readOnlyReasons.includes('recovering')) return 'recovering';
  const isFull = readOnlyReasons.some((reason) => reason.endsWith('_full') || reason === 'no_space');
  return isFull ? 'full' : 'read-only';
}
