import type { GroupEntry } from './entries.ts';
import { type GroupRuntime, type GroupSettings, isOrphan } from './runtime.ts';
import { type CommittedOffset, isForgettable, type LoggedGroup, type ShardState } from './state.ts';

/** How often the leader looks for what has outlived its retention. */
export const sweepIntervalMs = 60_000;

/** It looks sooner when it begins to lead and a topic is gone, or when an entry was refused. */
export const sweepSoonMs = 5_000;

/** At most so many offsets, groups and producers go in one entry; the rest in the next sweep. */
const perEntry = 10_000;

/**
 * What has outlived its retention (KIP-211): offsets of groups without members, counted from the later one of the commit and the
 * end of the last generation; offsets of topics that were deleted; groups that are empty and have none; producers that were
 * silent. Undefined: nothing. `isBusy` names groups that the leader is at work on.
 */
export function expired(
  { state, settings, topics, host }: Pick<GroupRuntime, 'state' | 'settings' | 'topics' | 'host'>,
  isBusy: (groupId: string) => boolean,
): GroupEntry | undefined {
  const wall = host.clock.wall();
  const offsets: [string, string, number, number][] = [];
  const groups: string[] = [];
  for (const group of state.groups.values()) {
    const isUsed = group.members.size > 0 || isBusy(group.groupId);
    for (const [topic, partitions] of group.offsets) {
      for (const [partition, offset] of partitions) {
        const isOver =
          isOrphan(topics, topic, offset) ||
          (!isUsed && topics.idOf(topic) !== undefined && wall >= expiresAt(group, offset, settings));
        if (isOver && offsets.length < perEntry) offsets.push([group.groupId, topic, partition, offset.at]);
      }
    }
    // One sweep later than its last offset.
    const isLeft = !isUsed && isForgettable(group) && wall >= group.changedWall + sweepIntervalMs;
    if (isLeft && groups.length < perEntry) groups.push(group.groupId);
  }
  const producers = [...state.producers]
    .filter(([id, { wall: heard }]) => wall >= heard + settings.producerExpirationMs && !hasPending(state, id))
    .slice(0, perEntry)
    .map(([id, { wall: heard }]) => [id, heard] as const);
  if (offsets.length + groups.length + producers.length === 0) return undefined;
  return { kind: 'expire', offsets, groups, producers };
}

function expiresAt(group: LoggedGroup, offset: CommittedOffset, settings: GroupSettings): number {
  if (offset.retentionMs !== null) return offset.wall + offset.retentionMs;
  const since = group.protocolType === '' ? offset.wall : Math.max(offset.wall, group.changedWall);
  return since + settings.offsetsRetentionMs;
}

function hasPending(state: ShardState, producerId: number): boolean {
  for (const group of state.groups.values()) if (group.pending.has(producerId)) return true;
  return false;
}
