import type { RaftId } from '../../../consensus/types.ts';
import type { Gossiper } from './gossiper.ts';
import { askBarrier, askPeer } from './groupRequests.ts';
import type { GroupsOptions } from './groupsOptions.ts';
import { entryBytesOf } from './journalWriter.ts';
import type { Leads } from './leads.ts';
import type { Outbox } from './outbox.ts';
import type { ReplicaContext } from './replicaBody.ts';
import type { SnapshotFiles } from './snapshotFiles.ts';
import type { Turns } from './turn.ts';

/** What of a broker its replicas come to use. */
export interface ReplicaContextParts {
  readonly options: GroupsOptions;
  readonly member: RaftId;
  readonly snapshots: SnapshotFiles;
  readonly turns: Turns;
  readonly outbox: Outbox;
  readonly leads: Leads;
  readonly gossiper: Gossiper;
  readonly isStopping: () => boolean;
  readonly heartbeatPhase: () => number;
  readonly fatal: (error: unknown) => void;
}

/** The broker as its replicas see it. */
export function replicaContext(parts: ReplicaContextParts): ReplicaContext {
  const { options, member, snapshots, turns, outbox, leads, gossiper, isStopping, heartbeatPhase, fatal } = parts;
  const { host, broker, observer, raft, transport, events } = options;
  return {
    host,
    broker,
    member,
    snapshots,
    observer,
    raft: { ...raft, maxEntryBytes: entryBytesOf(options.journalSegmentBytes) },
    schedule: (replica) => turns.schedule(replica),
    record: (records, durable) => turns.record(records, durable),
    send: (replica, message) => outbox.add(replica.group, replica.spec.generation, message),
    ask: (to, group, generation, request, committed, signal) =>
      askPeer(transport, to, group, generation, request, committed, signal),
    leaderOf: (group) => leads.of(group)?.broker,
    askBarrier: (group, generation, signal) => askBarrier(transport, group, generation, member, signal),
    leaderChanged: (replica) => {
      gossiper.leaderChanged(replica);
      leads.changed(replica);
    },
    electionBegun: (replica) => events.electionBegun(replica.spec.kind),
    probationChanged: () => gossiper.probationChanged(),
    confChanged: (replica) => events.confChanged(replica.spec.kind),
    fatal,
    get heartbeatPhase() {
      return heartbeatPhase();
    },
    get isCongested() {
      return turns.isCongested;
    },
    get isStopping() {
      return isStopping();
    },
  };
}
