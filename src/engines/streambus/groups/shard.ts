import type { Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { CommittedEntry, GroupHandle, MachineCheckpoint, MachineSnapshot, MachineUse } from '../broker/group.ts';
import { RpcRefusal } from '../broker/rpc.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import type {
  CommitRequest,
  EndOf,
  FetchOffsetsRequest,
  GroupCoordinator,
  GroupDescription,
  GroupFigures,
  GroupShard,
  HeartbeatRequest,
  JoinAnswer,
  JoinRequest,
  LeaveAnswer,
  LeaveRequest,
  OffsetsMarker,
  SyncAnswer,
  SyncRequest,
  TransactionalCommitRequest,
} from './coordinator.ts';
import { deleteGroup, deleteOffsets, dropLive } from './deletion.ts';
import { expired, sweepIntervalMs, sweepSoonMs } from './expiry.ts';
import { joinGroup } from './join.ts';
import { liveMember, newLiveGroup } from './live.ts';
import { commitOffsets, commitTransactionalOffsets, endOffsetsTransaction, fetchOffsets } from './offsets.ts';
import { armSync, dismiss, joinRefused, renewSession, syncRefused } from './rebalance.ts';
import {
  appendEntry,
  assertServing,
  confirmed,
  type GroupRuntime,
  type GroupSettings,
  isOrphan,
  type KnownTopics,
  Unavailable,
  unavailability,
  type VerifyOffsets,
} from './runtime.ts';
import { applyGroupEntry, decodeState, emptyState, encodeState, type LoggedGroup } from './state.ts';
import { heartbeat, leaveGroup, syncGroup } from './sync.ts';
import { describeGroup, groupFigures, listGroups, undescribed } from './views.ts';

/** What a shard of consumer groups needs of its broker. */
export interface GroupShardOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly settings: GroupSettings;
  readonly verifyOffsets: VerifyOffsets;
  readonly topics: KnownTopics;
  /** Groups of the other shards that this broker leads. */
  otherGroups(): number;
  /** A group has begun a generation. */
  rebalanced(groupId: string): void;
}

/** Opens a shard of consumer groups from its last checkpoint, or from nothing. */
export function openGroupMachine(
  options: GroupShardOptions,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
): GroupShard {
  return new Shard(options, handle, checkpoint);
}

class Shard implements GroupShard, GroupCoordinator {
  readonly shard: GroupId;
  readonly #runtime: GroupRuntime;
  #index: number;
  #term: number;
  #sweep: { readonly timer: Timer; readonly atMs: number } | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: GroupShardOptions, handle: GroupHandle, checkpoint: MachineCheckpoint | undefined) {
    this.shard = handle.group;
    this.#index = checkpoint?.index ?? 0;
    this.#term = checkpoint?.term ?? 0;
    this.#runtime = {
      host: options.host,
      broker: options.broker,
      settings: options.settings,
      handle,
      state: checkpoint === undefined ? emptyState() : decodeState(checkpoint.data),
      leading: false,
      live: new Map(),
      unlogged: new Set(),
      groupsOnBroker: () => this.groupCount + options.otherGroups(),
      verifyOffsets: options.verifyOffsets,
      topics: options.topics,
      topicIds: new Map(),
      rebalanced: (groupId) => options.rebalanced(groupId),
    };
  }

  get coordinator(): GroupCoordinator {
    return this;
  }

  get unavailable(): number {
    return unavailability(this.#runtime);
  }

  get groupCount(): number {
    return this.#runtime.state.groups.size + this.#runtime.unlogged.size;
  }

  get use(): MachineUse {
    const { live, state } = this.#runtime;
    for (const groupId of live.keys()) if (isInUse(this.#runtime, groupId)) return 'busy';
    return state.groups.size === 0 ? 'none' : 'idle';
  }

  apply(entry: CommittedEntry): number {
    this.#index = entry.index;
    this.#term = entry.term;
    return entry.data.length === 0 ? kafkaErrors.NONE : applyGroupEntry(this.#runtime.state, entry);
  }

  lead(): void {
    const runtime = this.#runtime;
    runtime.leading = true;
    for (const group of runtime.state.groups.values()) if (group.members.size > 0) takeOver(runtime, group);
    // What the last leader did not come to, or could not see yet, goes soon.
    this.#armSweep(watchTopics(runtime) ? sweepSoonMs : sweepIntervalMs);
    this.#unwatch = runtime.topics.onChange(() => this.#noteTopics());
  }

  follow(): void {
    const runtime = this.#runtime;
    runtime.leading = false;
    this.#sweep?.timer.cancel();
    this.#sweep = undefined;
    this.#unwatch?.();
    for (const group of [...runtime.live.values()]) {
      for (const member of group.members.values()) {
        member.session?.cancel();
        dismiss(runtime, member, kafkaErrors.NOT_COORDINATOR);
      }
      dropLive(runtime, group);
    }
  }

  async checkpoint(): Promise<MachineCheckpoint> {
    return { index: this.#index, term: this.#term, data: this.snapshot() };
  }

  snapshot(): Uint8Array {
    return encodeState(this.#runtime.state);
  }

  async restore(snapshot: MachineSnapshot): Promise<void> {
    this.#runtime.state = decodeState(snapshot.data);
    this.#index = snapshot.index;
    this.#term = snapshot.term;
  }

  async answerPeer(): Promise<Uint8Array> {
    throw new RpcRefusal(
      'NOT_SUPPORTED',
      'a shard of consumer groups is whole in its snapshot: nothing can be asked of it',
    );
  }

  async close(): Promise<void> {
    if (this.#runtime.leading) this.follow();
  }

  join(request: JoinRequest): Promise<JoinAnswer> {
    return joinGroup(this.#runtime, request).catch(refusedAs((code) => joinRefused(code, request.memberId)));
  }

  sync(request: SyncRequest): Promise<SyncAnswer> {
    return syncGroup(this.#runtime, request).catch(refusedAs(syncRefused));
  }

  heartbeat(request: HeartbeatRequest): Promise<number> {
    return heartbeat(this.#runtime, request).catch(refusedAs((code) => code));
  }

  leave(request: LeaveRequest): Promise<LeaveAnswer> {
    const refused = (code: number) => ({ errorCode: code, members: request.members.map(() => code) });
    return leaveGroup(this.#runtime, request).catch(refusedAs(refused));
  }

  commitOffsets(request: CommitRequest): Promise<readonly number[]> {
    const refused = (code: number) => request.offsets.map(() => code);
    return commitOffsets(this.#runtime, request).catch(refusedAs(refused));
  }

  commitTransactionalOffsets(request: TransactionalCommitRequest, add: boolean): Promise<readonly number[]> {
    const refused = (code: number) => request.offsets.map(() => code);
    return commitTransactionalOffsets(this.#runtime, request, add).catch(refusedAs(refused));
  }

  fetchOffsets(request: FetchOffsetsRequest): ReturnType<GroupCoordinator['fetchOffsets']> {
    return fetchOffsets(this.#runtime, request).catch(refusedAs((errorCode) => ({ errorCode, offsets: [] })));
  }

  endTransaction(marker: OffsetsMarker): Promise<number> {
    return endOffsetsTransaction(this.#runtime, marker).catch(refusedAs((code) => code));
  }

  describe(groupId: string): Promise<GroupDescription> {
    return this.#read(() => describeGroup(this.#runtime, groupId)).catch(
      refusedAs((code) => undescribed(groupId, code)),
    );
  }

  figures(endOf: EndOf): readonly GroupFigures[] {
    return groupFigures(this.#runtime, endOf);
  }

  list(): ReturnType<GroupCoordinator['list']> {
    return this.#read(() => ({ errorCode: kafkaErrors.NONE, groups: listGroups(this.#runtime) })).catch(
      refusedAs((errorCode) => ({ errorCode, groups: [] })),
    );
  }

  delete(groupId: string): Promise<number> {
    return deleteGroup(this.#runtime, groupId).catch(refusedAs((code) => code));
  }

  deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): ReturnType<GroupCoordinator['deleteOffsets']> {
    const refused = (errorCode: number) => ({ errorCode, partitions: partitions.map(() => errorCode) });
    return deleteOffsets(this.#runtime, groupId, partitions).catch(refusedAs(refused));
  }

  async #read<T>(look: () => T): Promise<T> {
    assertServing(this.#runtime);
    await confirmed(this.#runtime.handle);
    assertServing(this.#runtime);
    return look();
  }

  /** Looks for what has expired after `ms`, or earlier if that is arranged already. */
  #armSweep(ms: number): void {
    const { clock } = this.#runtime.host;
    const atMs = clock.now() + ms;
    if (this.#sweep !== undefined && this.#sweep.atMs <= atMs) return;
    this.#sweep?.timer.cancel();
    this.#sweep = { timer: clock.timer(ms, () => this.#sweepNow()), atMs };
  }

  /** The offsets of a topic that is gone go at once, also when another topic has its name by now. */
  #noteTopics(): void {
    const { topics, topicIds } = this.#runtime;
    let isGone = false;
    for (const [topic, id] of topicIds) {
      if (topics.idOf(topic) === id) continue;
      topicIds.delete(topic);
      isGone = true;
    }
    if (isGone) this.#sweepNow();
  }

  #sweepNow(): void {
    const runtime = this.#runtime;
    this.#sweep?.timer.cancel();
    this.#sweep = undefined;
    this.#armSweep(sweepIntervalMs);
    const entry = expired(runtime, (groupId) => isInUse(runtime, groupId));
    if (entry === undefined) return;
    appendEntry(runtime, entry).then(
      () => forgetGone(runtime),
      // Refused or lost: the next sweep, of whoever leads, finds the same.
      (error: unknown) => {
        if (!(error instanceof Unavailable)) throw error;
        if (runtime.leading) this.#armSweep(sweepSoonMs);
      },
    );
  }
}

/** Turns `Unavailable` into an answer; other errors are defects. */
function refusedAs<T>(answer: (code: number) => T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Unavailable) return answer(error.code);
    throw error;
  };
}

/** A group of the last leader: its members get their session times anew, since nobody knows when they were heard of. */
function takeOver(runtime: GroupRuntime, logged: LoggedGroup): void {
  const group = newLiveGroup(logged.groupId, logged);
  group.protocol = logged.protocol;
  group.leader = logged.leader;
  group.state = logged.assigned ? 'Stable' : 'CompletingRebalance';
  runtime.live.set(group.groupId, group);
  for (const one of logged.members.values()) {
    const member = liveMember(one);
    group.members.set(member.memberId, member);
    if (member.groupInstanceId !== undefined) group.statics.set(member.groupInstanceId, member.memberId);
    // The planted bug: heartbeats move a deadline that no timer looks at any more.
    if (runtime.host.telemetry.mutant('timers-not-renewed')) member.session = { cancel() {} };
    renewSession(runtime, group, member);
  }
  if (group.state === 'CompletingRebalance') armSync(runtime, group);
}

/** Begins to watch the topics that the groups have offsets of. Whether one of them is gone already. */
function watchTopics({ state, topics, topicIds }: GroupRuntime): boolean {
  let isGone = false;
  topicIds.clear();
  for (const group of state.groups.values()) {
    for (const [topic, offsets] of group.offsets) {
      const id = topics.idOf(topic);
      if (id !== undefined) topicIds.set(topic, id);
      for (const offset of offsets.values()) isGone ||= isOrphan(topics, topic, offset);
    }
  }
  return isGone;
}

function isInUse(runtime: GroupRuntime, groupId: string): boolean {
  const live = runtime.live.get(groupId);
  return live !== undefined && (live.members.size > 0 || live.announced.size > 0 || live.entry !== undefined);
}

/** Drops what the leader remembers of groups that have just expired. */
function forgetGone(runtime: GroupRuntime): void {
  for (const group of [...runtime.live.values()]) {
    const isKept = runtime.state.groups.has(group.groupId) || runtime.unlogged.has(group.groupId);
    if (!isKept && !isInUse(runtime, group.groupId)) dropLive(runtime, group);
  }
}
