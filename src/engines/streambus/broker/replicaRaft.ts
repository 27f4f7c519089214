import type { RaftConfig, RaftMutant } from '../../../consensus/config.ts';
import { entryBytes, type GroupStorage } from './groupStorage.ts';
import { groupLimits, type ReplicaContext } from './replicaBody.ts';

/**
 * Election time-outs after which a snapshot that was not acknowledged is sent again. It may be lost without anybody's knowing, with a
 * receiver that had not opened the group yet; one that is still being restored is in no way disturbed by another.
 */
const snapshotPatience = 30;

/** How a replica's core is configured; `applied` is the index up to which its machine has the log. */
export function raftConfig(context: ReplicaContext, storage: GroupStorage, applied: number): RaftConfig {
  const { host, member, raft } = context;
  const election = host.random.stream('election');
  return {
    id: member,
    storage,
    applied,
    electionTicks: raft.electionTicks,
    heartbeatTicks: raft.heartbeatTicks,
    asyncStorageWrites: true,
    preVote: true,
    checkQuorum: true,
    log: null,
    maxBytesPerMessage: host.telemetry.buggify('one-entry MsgApp') ? 0 : groupLimits.messageBytes,
    maxCommittedBytesPerReady: groupLimits.committedBytesPerReady,
    maxUncommittedBytes: raft.maxUncommittedBytes,
    maxInflightMessages: groupLimits.inflightMessages,
    maxInflightBytes: groupLimits.inflightBytes,
    stepDownOnRemoval: true,
    readOnly: 'safe',
    disableProposalForwarding: true,
    disableConfChangeValidation: false,
    randomTimeout: () => election.integer(raft.electionTicks, 2 * raft.electionTicks - 1),
    heartbeatPhase: () => context.heartbeatPhase,
    entryBytes,
    snapshotPatience,
    mutant: (name: RaftMutant) => host.telemetry.mutant(name),
  };
}
