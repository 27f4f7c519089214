import type { Host } from '../../../host/host.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { type GroupHandle, NotProposed, ProposalLost } from '../broker/group.ts';
import type { BrokerId } from '../ids.ts';
import type { OffsetToCommit } from './coordinator.ts';
import { encodeJson, type GroupEntry, type LoggedOffset } from './entries.ts';
import { type LiveGroup, newLiveGroup } from './live.ts';
import type { CommittedOffset, ShardState } from './state.ts';

/** Times of consumer groups, in milliseconds. */
export interface GroupSettings {
  readonly sessionMinMs: number;
  readonly sessionMaxMs: number;
  /** How long an empty group waits for more members after the first (KIP-134). */
  readonly initialDelayMs: number;
  readonly offsetsRetentionMs: number;
  /** Producers that did not commit offsets for so long are forgotten. */
  readonly producerExpirationMs: number;
}

/** What is refused beyond: */
export const groupLimits = {
  /** Groups on one broker: 15. */
  groups: 10_000,
  /** Members of one group: 81. */
  members: 1_000,
  /** What all members of a group say of themselves in all their protocols, and what is assigned to them: 81, 42. It is one entry. */
  bytes: 8 * 2 ** 20,
  /** UTF-8 of what is kept beside an offset: 12. */
  metadataBytes: 4_096,
} as const;

/** An entry that was proposed gets so long before its client is told 7. */
export const commitTimeoutMs = 5_000;

/** Asks the coordinator of a transaction whether (or that) a group's offsets belong to it; resolves to an error number. */
export type VerifyOffsets = (request: {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly groupId: string;
  readonly add: boolean;
}) => Promise<number>;

/** What a shard knows of the cluster's topics. */
export interface KnownTopics {
  /** Of the metadata. */
  readonly version: number;
  /** Its id in hex; undefined: there is no such topic. A topic that is made anew has another. */
  idOf(topic: string): string | undefined;
  /** Calls `fn` after each change of the metadata. Returns how to stop. */
  onChange(fn: () => void): () => void;
}

/** What the parts of a shard of groups share. */
export interface GroupRuntime {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly settings: GroupSettings;
  readonly handle: GroupHandle;
  /** The replicated state as applied here. */
  state: ShardState;
  /** This replica leads: `live` holds. */
  leading: boolean;
  /** Groups with members, and those that the leader has touched. */
  readonly live: Map<string, LiveGroup>;
  /** Groups of `live` that are not logged yet. */
  readonly unlogged: Set<string>;
  /** Groups of all shards that this broker leads. */
  groupsOnBroker(): number;
  readonly verifyOffsets: VerifyOffsets;
  readonly topics: KnownTopics;
  /** Ids of the topics that the groups have offsets of, by name, as the leader saw them last. */
  readonly topicIds: Map<string, string>;
  /** A group has begun a generation. */
  rebalanced(groupId: string): void;
}

/** The request cannot be served now: 7, 14, 15 or 16. Nothing was changed, or, after 7 and 16, it is open. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  readonly code: number;
  constructor(code: number) {
    super(`the coordinator is not available: error ${code}`);
    this.code = code;
  }
}

/** 0 when this replica serves, 14 while it leads and does not yet, else 16. */
export function unavailability(replica: {
  readonly broker: BrokerId;
  readonly handle: GroupHandle;
  readonly leading: boolean;
}): number {
  if (replica.leading && replica.handle.serving) return kafkaErrors.NONE;
  return replica.handle.leader === replica.broker
    ? kafkaErrors.COORDINATOR_LOAD_IN_PROGRESS
    : kafkaErrors.NOT_COORDINATOR;
}

/** Throws `Unavailable` unless this replica serves. */
export function assertServing(runtime: GroupRuntime): void {
  const code = unavailability(runtime);
  if (code !== kafkaErrors.NONE) throw new Unavailable(code);
}

/** Resolves when this replica is the leader for sure and has applied what was committed. Throws `Unavailable`. */
export async function confirmed(handle: GroupHandle): Promise<void> {
  try {
    await handle.readBarrier();
  } catch (error) {
    if (error instanceof NotProposed) throw new Unavailable(kafkaErrors.NOT_COORDINATOR);
    throw error;
  }
}

/**
 * Does `work` with the group once no entry of it is under way, in the very turn in which that was seen; undefined when the leader
 * knows no such group. Throws `Unavailable`.
 */
export async function whenSettled<T>(
  runtime: GroupRuntime,
  groupId: string,
  work: (group: LiveGroup | undefined) => T | Promise<T>,
): Promise<T> {
  for (;;) {
    assertServing(runtime);
    const group = liveGroup(runtime, groupId);
    if (group?.entry === undefined) return work(group);
    await group.entry;
  }
}

/** The group as the leader sees it, taken over from the log at the first touch. */
export function liveGroup(runtime: GroupRuntime, groupId: string): LiveGroup | undefined {
  const known = runtime.live.get(groupId);
  if (known !== undefined) return known;
  const logged = runtime.state.groups.get(groupId);
  if (logged === undefined) return undefined;
  const group = newLiveGroup(groupId, logged);
  runtime.live.set(groupId, group);
  return group;
}

/**
 * Proposes an entry and resolves to what `apply` said of it. Throws `Unavailable`: 15 when nothing was appended, 16 when this
 * replica does not lead or lost the lead meanwhile.
 */
export async function append(handle: GroupHandle, entry: unknown): Promise<number> {
  let proposal: ReturnType<GroupHandle['propose']>;
  try {
    proposal = handle.propose(encodeJson(entry));
  } catch (error) {
    if (!(error instanceof NotProposed)) throw error;
    const busy = error.reason === 'busy' || error.reason === 'read-only';
    throw new Unavailable(busy ? kafkaErrors.COORDINATOR_NOT_AVAILABLE : kafkaErrors.NOT_COORDINATOR);
  }
  try {
    // Our machines' `apply` returns error numbers, nothing else.
    return (await proposal).result as number;
  } catch (error) {
    if (error instanceof ProposalLost) throw new Unavailable(kafkaErrors.NOT_COORDINATOR);
    throw error;
  }
}

/** What `work` comes to; after `commitTimeoutMs` it throws `Unavailable` with 7, and how the work ends is open. */
export async function within<T>(host: Host, work: Promise<T>): Promise<T> {
  const patience = new AbortController();
  const tooLong = host.clock.sleep(commitTimeoutMs, patience.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    // Wrapped, so that nothing that the work can come to looks like the time-out.
    const first = await Promise.race([work.then((result) => ({ result })), tooLong]);
    if (first === undefined) throw new Unavailable(kafkaErrors.REQUEST_TIMED_OUT);
    return first.result;
  } finally {
    patience.abort();
    // Once it took too long, a failure is nobody's business any more.
    work.catch(() => {});
  }
}

/** Proposes an entry of a shard of groups: see `append`. */
export function appendEntry(runtime: GroupRuntime, entry: GroupEntry): Promise<number> {
  return append(runtime.handle, entry);
}

/** Proposes an entry that a client waits for: see `within`. */
export function appendEntryWithin(runtime: GroupRuntime, entry: GroupEntry): Promise<number> {
  return within(runtime.host, append(runtime.handle, entry));
}

/** Copies that outlive the request they came in, with the ids of their topics. The leader watches these from now on. */
export function ownedOffsets(
  { topics, topicIds }: Pick<GroupRuntime, 'topics' | 'topicIds'>,
  offsets: readonly OffsetToCommit[],
): LoggedOffset[] {
  return offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => {
    const topicId = topics.idOf(topic);
    const copy = { topic, partition, offset, leaderEpoch, metadata };
    if (topicId === undefined) return copy;
    topicIds.set(topic, topicId);
    return { ...copy, topicId };
  });
}

/**
 * The offset belongs to a topic that was deleted since, also if another one has its name now. A replica whose metadata are older
 * than the commit cannot say so: its topic of that name may be the one before.
 */
export function isOrphan(
  topics: KnownTopics,
  topic: string,
  { topicId, metadataVersion }: Pick<CommittedOffset, 'topicId' | 'metadataVersion'>,
): boolean {
  if (topics.version < metadataVersion) return false;
  const now = topics.idOf(topic);
  return now === undefined || (topicId !== undefined && topicId !== now);
}
