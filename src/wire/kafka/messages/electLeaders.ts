import {
  array,
  type Decoded,
  type Encodable,
  field,
  int8,
  int16,
  int32,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const electLeadersRequest = struct({
  /** 0 the preferred replica, 1 an unclean one. */
  electionType: field(int8, { since: 1, default: 0 }),
  /** Null: all. */
  topicPartitions: nullable(array(struct({ topic: string, partitions: array(int32) }))),
  timeoutMs: field(int32, { default: 60_000 }),
});

export const electLeadersResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: field(int16, { since: 1, default: 0 }),
  replicaElectionResults: array(
    struct({
      topic: string,
      partitionResult: array(
        struct({
          partitionId: int32,
          errorCode: int16,
          errorMessage: field(nullable(string), { default: null }),
        }),
      ),
    }),
  ),
});

export type ElectLeadersRequest = Decoded<typeof electLeadersRequest>;
export type ElectLeadersResponse = Encodable<typeof electLeadersResponse>;
