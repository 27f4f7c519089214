import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { DoorContext } from '../doorContext.ts';
import { createAcls, deleteAcls, describeAcls } from './acls.ts';
import { addOffsetsToTxn } from './addOffsetsToTxn.ts';
import { addPartitionsToTxn } from './addPartitionsToTxn.ts';
import { alterConfigs, incrementalAlterConfigs } from './alterConfigs.ts';
import { apiVersions } from './apiVersions.ts';
import { alterClientQuotas, describeClientQuotas } from './clientQuotas.ts';
import { createPartitions } from './createPartitions.ts';
import { createTopics } from './createTopics.ts';
import { deleteGroups } from './deleteGroups.ts';
import { deleteRecords } from './deleteRecords.ts';
import { deleteTopics } from './deleteTopics.ts';
import { describeCluster } from './describeCluster.ts';
import { describeConfigs } from './describeConfigs.ts';
import { describeGroups } from './describeGroups.ts';
import { describeLogDirs } from './describeLogDirs.ts';
import { describeProducers } from './describeProducers.ts';
import { describeTopicPartitions } from './describeTopicPartitions.ts';
import { describeTransactions } from './describeTransactions.ts';
import { electLeaders } from './electLeaders.ts';
import { endTxn } from './endTxn.ts';
import { fetch } from './fetch.ts';
import { findCoordinator } from './findCoordinator.ts';
import { heartbeat } from './heartbeat.ts';
import { initProducerId } from './initProducerId.ts';
import { joinGroup } from './joinGroup.ts';
import { leaveGroup } from './leaveGroup.ts';
import { listGroups } from './listGroups.ts';
import { listOffsets } from './listOffsets.ts';
import { listTransactions } from './listTransactions.ts';
import { metadata } from './metadata.ts';
import { offsetCommit } from './offsetCommit.ts';
import { offsetDelete } from './offsetDelete.ts';
import { offsetFetch } from './offsetFetch.ts';
import { offsetForLeaderEpoch } from './offsetForLeaderEpoch.ts';
import { produce } from './produce.ts';
import { alterPartitionReassignments, listPartitionReassignments } from './reassignments.ts';
import { saslAuthenticate } from './saslAuthenticate.ts';
import { saslHandshake } from './saslHandshake.ts';
import { alterUserScramCredentials, describeUserScramCredentials } from './scramCredentials.ts';
import { syncGroup } from './syncGroup.ts';
import { txnOffsetCommit } from './txnOffsetCommit.ts';

/**
 * A handler as the table holds it: the door calls it only with what the decoder of its key gave, so its own request type is safe
 * there. Every `ApiHandler<Request, Response>` is one.
 */
export type AnyApiHandler = (request: never, context: DoorContext) => Promise<unknown>;

/** Who answers which Kafka API, by its key. What is not here is unknown: the connection is closed. */
export const handlers: ReadonlyMap<number, AnyApiHandler> = new Map<number, AnyApiHandler>([
  [apiKeys.Produce, produce],
  [apiKeys.Fetch, fetch],
  [apiKeys.ListOffsets, listOffsets],
  [apiKeys.Metadata, metadata],
  [apiKeys.SaslHandshake, saslHandshake],
  [apiKeys.ApiVersions, apiVersions],
  [apiKeys.OffsetForLeaderEpoch, offsetForLeaderEpoch],
  [apiKeys.SaslAuthenticate, saslAuthenticate],
  [apiKeys.CreateTopics, createTopics],
  [apiKeys.DeleteTopics, deleteTopics],
  [apiKeys.DeleteRecords, deleteRecords],
  [apiKeys.DescribeAcls, describeAcls],
  [apiKeys.CreateAcls, createAcls],
  [apiKeys.DeleteAcls, deleteAcls],
  [apiKeys.DescribeConfigs, describeConfigs],
  [apiKeys.AlterConfigs, alterConfigs],
  [apiKeys.IncrementalAlterConfigs, incrementalAlterConfigs],
  [apiKeys.DescribeLogDirs, describeLogDirs],
  [apiKeys.CreatePartitions, createPartitions],
  [apiKeys.ElectLeaders, electLeaders],
  [apiKeys.AlterPartitionReassignments, alterPartitionReassignments],
  [apiKeys.ListPartitionReassignments, listPartitionReassignments],
  [apiKeys.DescribeClientQuotas, describeClientQuotas],
  [apiKeys.AlterClientQuotas, alterClientQuotas],
  [apiKeys.DescribeUserScramCredentials, describeUserScramCredentials],
  [apiKeys.AlterUserScramCredentials, alterUserScramCredentials],
  [apiKeys.DescribeCluster, describeCluster],
  [apiKeys.DescribeProducers, describeProducers],
  [apiKeys.DescribeTopicPartitions, describeTopicPartitions],
  [apiKeys.FindCoordinator, findCoordinator],
  [apiKeys.OffsetCommit, offsetCommit],
  [apiKeys.OffsetFetch, offsetFetch],
  [apiKeys.JoinGroup, joinGroup],
  [apiKeys.Heartbeat, heartbeat],
  [apiKeys.LeaveGroup, leaveGroup],
  [apiKeys.SyncGroup, syncGroup],
  [apiKeys.DescribeGroups, describeGroups],
  [apiKeys.ListGroups, listGroups],
  [apiKeys.DeleteGroups, deleteGroups],
  [apiKeys.OffsetDelete, offsetDelete],
  [apiKeys.InitProducerId, initProducerId],
  [apiKeys.AddPartitionsToTxn, addPartitionsToTxn],
  [apiKeys.AddOffsetsToTxn, addOffsetsToTxn],
  [apiKeys.EndTxn, endTxn],
  [apiKeys.TxnOffsetCommit, txnOffsetCommit],
  [apiKeys.DescribeTransactions, describeTransactions],
  [apiKeys.ListTransactions, listTransactions],
]);
