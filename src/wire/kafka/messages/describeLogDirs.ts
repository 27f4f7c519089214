import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  int64,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const describeLogDirsRequest = struct({
  /** Null: all. */
  topics: nullable(array(struct({ topic: string, partitions: array(int32) }))),
});

export const describeLogDirsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: field(int16, { since: 3, default: 0 }),
  results: array(
    struct({
      errorCode: int16,
      logDir: string,
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({ partitionIndex: int32, partitionSize: int64, offsetLag: int64, isFutureKey: bool }),
          ),
        }),
      ),
      totalBytes: field(int64, { since: 4, default: -1 }),
      usableBytes: field(int64, { since: 4, default: -1 }),
    }),
  ),
});

export type DescribeLogDirsRequest = Decoded<typeof describeLogDirsRequest>;
export type DescribeLogDirsResponse = Encodable<typeof describeLogDirsResponse>;
