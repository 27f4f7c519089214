/** What a topic's settings mean for one of its partitions. Read by the leader; whatever replicas must agree on goes into the log. */
export interface PartitionSettings {
  /** -1: without limit. */
  readonly retentionMs: number;
  /** Of one partition; -1: without limit. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  /** How far a record's time may lie behind the leader's clock, or ahead of it. */
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** `cleanup.policy` names compact: records need a key. */
  readonly compacted: boolean;
  /** `cleanup.policy` names delete. */
  readonly deleted: boolean;
}

/** What the broker's configuration says where a topic says nothing. */
export interface LogConfig {
  /** `storage.segment_size`, bytes: 1 MiB to 2^31−1. */
  readonly segmentBytes: number;
  /** `storage.segment_age`. */
  readonly segmentAgeMs: number;
  /** `storage.retention.max_age`; -1: none. */
  readonly retentionMs: number;
  /** `storage.retention.max_bytes`; -1: none. */
  readonly retentionBytes: number;
  /** `topics.max_message`. */
  readonly maxMessageBytes: number;
  /** `topics.acks_one`: what acks=1 waits for. */
  readonly acksOne: 'quorum' | 'leader';
  /** Idle time after which a producer's state goes. `transactions.id_expiration`. */
  readonly producerIdleMs: number;
}

/** The defaults of the configuration. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 256 * 1024 * 1024,
  segmentAgeMs: 7 * 86_400_000,
  retentionMs: 7 * 86_400_000,
  retentionBytes: -1,
  maxMessageBytes: 1024 * 1024,
  acksOne: 'quorum',
  producerIdleMs: 7 * 86_400_000,
};

/** Kafka's defaults for the range of record times: any past, an hour ahead. */
const timestampAfterDefaultMs = 3_600_000;

/** The settings in force: the topic's where it has some that can be read, else the broker's. */
export function settingsOf(config: LogConfig, topic: ReadonlyMap<string, string>): PartitionSettings {
  const number = (name: string, fallback: number): number => {
    const text = topic.get(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    return Number.isFinite(value) ? value : fallback;
  };
  const policy = (topic.get('cleanup.policy') ?? 'delete').split(',').map((word) => word.trim());
  return {
    retentionMs: number('retention.ms', config.retentionMs),
    retentionBytes: number('retention.bytes', config.retentionBytes),
    segmentBytes: Math.min(number('segment.bytes', config.segmentBytes), 2 ** 31 - 1),
    segmentAgeMs: number('segment.ms', config.segmentAgeMs),
    maxMessageBytes: number('max.message.bytes', config.maxMessageBytes),
    timestampType: topic.get('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms', Number.MAX_SAFE_INTEGER),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms', timestampAfterDefaultMs),
    compacted: policy.includes('compact'),
    deleted: policy.includes('delete'),
  };
}
