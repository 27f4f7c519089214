import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const produceRequest = struct({
  transactionalId: field(nullable(string), { since: 3, default: null }),
  acks: int16,
  timeoutMs: int32,
  topicData: array(struct({ name: string, partitionData: array(struct({ index: int32, records })) })),
});

export const produceResponse = struct({
  responses: array(
    struct({
      name: string,
      partitionResponses: array(
        struct({
          index: int32,
          errorCode: int16,
          baseOffset: int64,
          logAppendTimeMs: field(int64, { since: 2, default: -1 }),
          logStartOffset: field(int64, { since: 5, default: -1 }),
          recordErrors: field(
            array(
              struct({
                batchIndex: int32,
                batchIndexErrorMessage: field(nullable(string), { default: null }),
              }),
            ),
            { since: 8, default: [] },
          ),
          errorMessage: field(nullable(string), { since: 8, default: null }),
          currentLeader: field(
            struct({ leaderId: field(int32, { default: -1 }), leaderEpoch: field(int32, { default: -1 }) }),
            { since: 10, tag: 0, default: { leaderId: -1, leaderEpoch: -1 } },
          ),
        }),
      ),
    }),
  ),
  throttleTimeMs: throttleTimeMs(1),
  nodeEndpoints: field(
    array(struct({ nodeId: int32, host: string, port: int32, rack: field(nullable(string), { default: null }) })),
    { since: 10, tag: 0, default: [] },
  ),
});

export type ProduceRequest = Decoded<typeof produceRequest>;
export type ProduceResponse = Encodable<typeof produceResponse>;
