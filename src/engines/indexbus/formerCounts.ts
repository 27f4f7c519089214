import type { LaneCounts, ProducerCounts, SubscriptionCounts } from './counts.ts';

/** What former generations of a segment have counted in all: counters go on from there. By numbers of seats, and of subscriptions. */
export interface FormerCounts {
  readonly producers: readonly ProducerCounts[];
  readonly lanes: readonly LaneCounts[];
  readonly subscriptions: readonly SubscriptionCounts[];
  readonly detaches: number;
}

/** Before the first generation that a process serves. */
export const noFormerCounts: FormerCounts = { producers: [], lanes: [], subscriptions: [], detaches: 0 };

/** Keys of what a seat counts; the others say how it is now. */
type Counted<T> = Exclude<keyof T, 'depth' | 'idleRatio'>;

/** What is counted now and was counted before, together; what says how it is now stays as it is. */
export function withFormer<T extends ProducerCounts | LaneCounts | SubscriptionCounts>(
  now: T,
  before: T | undefined,
): T {
  if (before === undefined) return now;
  const sum = { ...now };
  for (const key of Object.keys(now) as Counted<T>[]) {
    if (key === 'depth' || key === 'idleRatio') continue;
    // All fields of these counts are numbers.
    sum[key] = ((now[key] as number) + (before[key] as number)) as T[Counted<T>];
  }
  return sum;
}
