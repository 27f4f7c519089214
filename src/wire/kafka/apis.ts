/** Keys of the APIs that are spoken, by Kafka's names. */
export const apiKeys = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  ListGroups: 16,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  DeleteRecords: 21,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
  DescribeAcls: 29,
  CreateAcls: 30,
  DeleteAcls: 31,
  DescribeConfigs: 32,
  AlterConfigs: 33,
  DescribeLogDirs: 35,
  SaslAuthenticate: 36,
  CreatePartitions: 37,
  DeleteGroups: 42,
  ElectLeaders: 43,
  IncrementalAlterConfigs: 44,
  AlterPartitionReassignments: 45,
  ListPartitionReassignments: 46,
  OffsetDelete: 47,
  DescribeClientQuotas: 48,
  AlterClientQuotas: 49,
  DescribeUserScramCredentials: 50,
  AlterUserScramCredentials: 51,
  DescribeCluster: 60,
  DescribeProducers: 61,
  DescribeTransactions: 65,
  ListTransactions: 66,
  DescribeTopicPartitions: 75,
} as const;

export type ApiName = keyof typeof apiKeys;
export type ApiKey = (typeof apiKeys)[ApiName];

/** What is known of one API. Versions are inclusive. */
export interface ApiInfo {
  readonly key: ApiKey;
  readonly name: ApiName;
  /** Advertised by ApiVersions. */
  readonly min: number;
  readonly max: number;
  /** Lowest version whose shape is known: what lies between it and `min` can be read, and answered with 35. */
  readonly lowest: number;
  /** First version with compact lengths and tagged fields; Infinity when there is none up to `max`. */
  readonly flexibleFrom: number;
}

const none = Number.POSITIVE_INFINITY;

/** Name, min, max, flexible from, lowest known shape (default: min). Section 4.7 of the contract. */
const rows: readonly (readonly [ApiName, number, number, number, number?])[] = [
  ['Produce', 0, 12, 9],
  ['Fetch', 4, 16, 12, 0],
  ['ListOffsets', 1, 7, 6, 0],
  ['Metadata', 0, 12, 9],
  ['OffsetCommit', 2, 8, 8, 0],
  ['OffsetFetch', 1, 8, 6, 0],
  ['FindCoordinator', 0, 4, 3],
  ['JoinGroup', 0, 9, 6],
  ['Heartbeat', 0, 4, 4],
  ['LeaveGroup', 0, 5, 4],
  ['SyncGroup', 0, 5, 4],
  ['DescribeGroups', 0, 5, 5],
  ['ListGroups', 0, 4, 3],
  ['SaslHandshake', 0, 1, none],
  ['ApiVersions', 0, 4, 3],
  ['CreateTopics', 0, 7, 5],
  ['DeleteTopics', 0, 6, 4],
  ['DeleteRecords', 0, 2, 2],
  ['InitProducerId', 0, 5, 2],
  ['OffsetForLeaderEpoch', 2, 4, 4, 0],
  ['AddPartitionsToTxn', 0, 3, 3],
  ['AddOffsetsToTxn', 0, 4, 3],
  ['EndTxn', 0, 5, 3],
  ['TxnOffsetCommit', 0, 5, 3],
  ['DescribeAcls', 0, 2, 2],
  ['CreateAcls', 0, 2, 2],
  ['DeleteAcls', 0, 2, 2],
  ['DescribeConfigs', 0, 4, 4],
  ['AlterConfigs', 0, 2, 2],
  ['DescribeLogDirs', 0, 4, 2],
  ['SaslAuthenticate', 0, 2, 2],
  ['CreatePartitions', 0, 3, 2],
  ['DeleteGroups', 0, 2, 2],
  ['ElectLeaders', 0, 2, 2],
  ['IncrementalAlterConfigs', 0, 1, 1],
  ['AlterPartitionReassignments', 0, 0, 0],
  ['ListPartitionReassignments', 0, 0, 0],
  ['OffsetDelete', 0, 0, none],
  ['DescribeClientQuotas', 0, 1, 1],
  ['AlterClientQuotas', 0, 1, 1],
  ['DescribeUserScramCredentials', 0, 0, 0],
  ['AlterUserScramCredentials', 0, 0, 0],
  ['DescribeCluster', 0, 1, 0],
  ['DescribeProducers', 0, 0, 0],
  ['DescribeTransactions', 0, 0, 0],
  ['ListTransactions', 0, 1, 0],
  ['DescribeTopicPartitions', 0, 0, 0],
];

/** All APIs by ascending key. */
export const apis: readonly ApiInfo[] = rows.map(([name, min, max, flexibleFrom, lowest]) => ({
  key: apiKeys[name],
  name,
  min,
  max,
  lowest: lowest ?? min,
  flexibleFrom,
}));

const byKey: ReadonlyMap<number, ApiInfo> = new Map(apis.map((api) => [api.key, api]));

/** The API of this key; undefined when it is not spoken. */
export function apiOf(key: number): ApiInfo | undefined {
  return byKey.get(key);
}
