import type { ApiKey } from './apis.ts';
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from './messages/addOffsetsToTxn.ts';
import { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from './messages/addPartitionsToTxn.ts';
import { alterClientQuotasRequest, alterClientQuotasResponse } from './messages/alterClientQuotas.ts';
import { alterConfigsRequest, alterConfigsResponse } from './messages/alterConfigs.ts';
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from './messages/alterPartitionReassignments.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from './messages/alterUserScramCredentials.ts';
import { apiVersionsRequest, apiVersionsResponse } from './messages/apiVersions.ts';
import { createAclsRequest, createAclsResponse } from './messages/createAcls.ts';
import { createPartitionsRequest, createPartitionsResponse } from './messages/createPartitions.ts';
import { createTopicsRequest, createTopicsResponse } from './messages/createTopics.ts';
import { deleteAclsRequest, deleteAclsResponse } from './messages/deleteAcls.ts';
import { deleteGroupsRequest, deleteGroupsResponse } from './messages/deleteGroups.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from './messages/deleteRecords.ts';
import { deleteTopicsRequest, deleteTopicsResponse } from './messages/deleteTopics.ts';
import { describeAclsRequest, describeAclsResponse } from './messages/describeAcls.ts';
import { describeClientQuotasRequest, describeClientQuotasResponse } from './messages/describeClientQuotas.ts';
import { describeClusterRequest, describeClusterResponse } from './messages/describeCluster.ts';
import { describeConfigsRequest, describeConfigsResponse } from './messages/describeConfigs.ts';
import { describeGroupsRequest, describeGroupsResponse } from './messages/describeGroups.ts';
import { describeLogDirsRequest, describeLogDirsResponse } from './messages/describeLogDirs.ts';
import { describeProducersRequest, describeProducersResponse } from './messages/describeProducers.ts';
import { describeTopicPartitionsRequest, describeTopicPartitionsResponse } from './messages/describeTopicPartitions.ts';
import { describeTransactionsRequest, describeTransactionsResponse } from './messages/describeTransactions.ts';
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './messages/describeUserScramCredentials.ts';
import { electLeadersRequest, electLeadersResponse } from './messages/electLeaders.ts';
import { endTxnRequest, endTxnResponse } from './messages/endTxn.ts';
import { fetchRequest, fetchResponse } from './messages/fetch.ts';
import { findCoordinatorRequest, findCoordinatorResponse } from './messages/findCoordinator.ts';
import { heartbeatRequest, heartbeatResponse } from './messages/heartbeat.ts';
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from './messages/incrementalAlterConfigs.ts';
import { initProducerIdRequest, initProducerIdResponse } from './messages/initProducerId.ts';
import { joinGroupRequest, joinGroupResponse } from './messages/joinGroup.ts';
import { leaveGroupRequest, leaveGroupResponse } from './messages/leaveGroup.ts';
import { listGroupsRequest, listGroupsResponse } from './messages/listGroups.ts';
import { listOffsetsRequest, listOffsetsResponse } from './messages/listOffsets.ts';
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './messages/listPartitionReassignments.ts';
import { listTransactionsRequest, listTransactionsResponse } from './messages/listTransactions.ts';
import { metadataRequest, metadataResponse } from './messages/metadata.ts';
import { offsetCommitRequest, offsetCommitResponse } from './messages/offsetCommit.ts';
import { offsetDeleteRequest, offsetDeleteResponse } from './messages/offsetDelete.ts';
import { offsetFetchRequest, offsetFetchResponse } from './messages/offsetFetch.ts';
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from './messages/offsetForLeaderEpoch.ts';
import { produceRequest, produceResponse } from './messages/produce.ts';
import { saslAuthenticateRequest, saslAuthenticateResponse } from './messages/saslAuthenticate.ts';
import { saslHandshakeRequest, saslHandshakeResponse } from './messages/saslHandshake.ts';
import { syncGroupRequest, syncGroupResponse } from './messages/syncGroup.ts';
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from './messages/txnOffsetCommit.ts';
import type { Decoded, Encodable, Shape } from './schema/types.ts';

/** Both directions of every API, by key. */
export const messages = {
  0: { request: produceRequest, response: produceResponse },
  1: { request: fetchRequest, response: fetchResponse },
  2: { request: listOffsetsRequest, response: listOffsetsResponse },
  3: { request: metadataRequest, response: metadataResponse },
  8: { request: offsetCommitRequest, response: offsetCommitResponse },
  9: { request: offsetFetchRequest, response: offsetFetchResponse },
  10: { request: findCoordinatorRequest, response: findCoordinatorResponse },
  11: { request: joinGroupRequest, response: joinGroupResponse },
  12: { request: heartbeatRequest, response: heartbeatResponse },
  13: { request: leaveGroupRequest, response: leaveGroupResponse },
  14: { request: syncGroupRequest, response: syncGroupResponse },
  15: { request: describeGroupsRequest, response: describeGroupsResponse },
  16: { request: listGroupsRequest, response: listGroupsResponse },
  17: { request: saslHandshakeRequest, response: saslHandshakeResponse },
  18: { request: apiVersionsRequest, response: apiVersionsResponse },
  19: { request: createTopicsRequest, response: createTopicsResponse },
  20: { request: deleteTopicsRequest, response: deleteTopicsResponse },
  21: { request: deleteRecordsRequest, response: deleteRecordsResponse },
  22: { request: initProducerIdRequest, response: initProducerIdResponse },
  23: { request: offsetForLeaderEpochRequest, response: offsetForLeaderEpochResponse },
  24: { request: addPartitionsToTxnRequest, response: addPartitionsToTxnResponse },
  25: { request: addOffsetsToTxnRequest, response: addOffsetsToTxnResponse },
  26: { request: endTxnRequest, response: endTxnResponse },
  28: { request: txnOffsetCommitRequest, response: txnOffsetCommitResponse },
  29: { request: describeAclsRequest, response: describeAclsResponse },
  30: { request: createAclsRequest, response: createAclsResponse },
  31: { request: deleteAclsRequest, response: deleteAclsResponse },
  32: { request: describeConfigsRequest, response: describeConfigsResponse },
  33: { request: alterConfigsRequest, response: alterConfigsResponse },
  35: { request: describeLogDirsRequest, response: describeLogDirsResponse },
  36: { request: saslAuthenticateRequest, response: saslAuthenticateResponse },
  37: { request: createPartitionsRequest, response: createPartitionsResponse },
  42: { request: deleteGroupsRequest, response: deleteGroupsResponse },
  43: { request: electLeadersRequest, response: electLeadersResponse },
  44: { request: incrementalAlterConfigsRequest, response: incrementalAlterConfigsResponse },
  45: { request: alterPartitionReassignmentsRequest, response: alterPartitionReassignmentsResponse },
  46: { request: listPartitionReassignmentsRequest, response: listPartitionReassignmentsResponse },
  47: { request: offsetDeleteRequest, response: offsetDeleteResponse },
  48: { request: describeClientQuotasRequest, response: describeClientQuotasResponse },
  49: { request: alterClientQuotasRequest, response: alterClientQuotasResponse },
  50: { request: describeUserScramCredentialsRequest, response: describeUserScramCredentialsResponse },
  51: { request: alterUserScramCredentialsRequest, response: alterUserScramCredentialsResponse },
  60: { request: describeClusterRequest, response: describeClusterResponse },
  61: { request: describeProducersRequest, response: describeProducersResponse },
  65: { request: describeTransactionsRequest, response: describeTransactionsResponse },
  66: { request: listTransactionsRequest, response: listTransactionsResponse },
  75: { request: describeTopicPartitionsRequest, response: describeTopicPartitionsResponse },
} as const satisfies Readonly<Record<ApiKey, { readonly request: Shape; readonly response: Shape }>>;

export type Messages = typeof messages;
/** A request as the broker gets it: every field present. */
export type RequestOf<K extends ApiKey> = Decoded<Messages[K]['request']>;
/** A response as the broker gives it: fields with a default may be left out. */
export type ResponseOf<K extends ApiKey> = Encodable<Messages[K]['response']>;
/** A request as a client gives it. */
export type RequestInput<K extends ApiKey> = Encodable<Messages[K]['request']>;
/** A response as a client gets it. */
export type ResponseOutput<K extends ApiKey> = Decoded<Messages[K]['response']>;
