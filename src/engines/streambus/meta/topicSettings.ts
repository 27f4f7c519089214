import { nearestWord } from '../../../host/nearest.ts';
import type { StreamBusConfig } from '../config.ts';

/** A setting of a topic, by Kafka's name. */
export interface TopicSetting {
  readonly name: string;
  readonly kind: 'integer' | 'text' | 'list' | 'boolean';
  /** What holds where a topic says nothing. */
  readonly fallback: (config: StreamBusConfig) => string;
  /** Why a value cannot be taken; undefined when it can. */
  readonly refuse: (value: string) => string | undefined;
  /** `kept`: it is stored and shown to clients that set it, and nothing here depends on it. */
  readonly effect: 'applied' | 'kept';
  readonly documentation: string;
}

/** Kafka's largest; a double cannot tell it from the next. */
const largest = 9_223_372_036_854_775_807n;
const largestText = String(largest);

function integer(low: number, high: number | bigint): TopicSetting['refuse'] {
  return (value) => {
    const isFit = /^-?\d{1,19}$/.test(value) && BigInt(value) >= low && BigInt(value) <= high;
    return isFit ? undefined : `expected a whole number from ${low} to ${high}`;
  };
}

function oneOf(...values: readonly string[]): TopicSetting['refuse'] {
  return (value) => (values.includes(value) ? undefined : `expected one of ${values.join(', ')}`);
}

const list: readonly TopicSetting[] = [
  {
    name: 'cleanup.policy',
    kind: 'list',
    fallback: () => 'delete',
    refuse: oneOf('delete'),
    effect: 'applied',
    documentation: 'What becomes of old segments: they are deleted by retention.',
  },
  {
    name: 'compression.type',
    kind: 'text',
    fallback: () => 'producer',
    refuse: oneOf('producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'),
    effect: 'kept',
    documentation: 'Batches stay as their producer compressed them.',
  },
  {
    name: 'delete.retention.ms',
    kind: 'integer',
    fallback: () => '86400000',
    refuse: integer(0, largest),
    effect: 'kept',
    documentation: 'How long tombstones stay where keys are compacted.',
  },
  {
    name: 'flush.messages',
    kind: 'integer',
    fallback: () => largestText,
    refuse: integer(1, largest),
    effect: 'kept',
    documentation: 'Every acknowledged record is synced in the journal, whatever this says.',
  },
  {
    name: 'flush.ms',
    kind: 'integer',
    fallback: () => largestText,
    refuse: integer(0, largest),
    effect: 'kept',
    documentation: 'Every acknowledged record is synced in the journal, whatever this says.',
  },
  {
    name: 'max.message.bytes',
    kind: 'integer',
    fallback: (config) => String(config.topics.max_message),
    refuse: integer(0, 67_108_864),
    effect: 'applied',
    documentation: 'Largest batch, in bytes, as it was sent.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    kind: 'integer',
    fallback: () => '3600000',
    refuse: integer(0, largest),
    effect: 'applied',
    documentation: "How far a record's time may lie ahead of the leader's clock.",
  },
  {
    name: 'message.timestamp.before.max.ms',
    kind: 'integer',
    fallback: () => largestText,
    refuse: integer(0, largest),
    effect: 'applied',
    documentation: "How far a record's time may lie behind the leader's clock.",
  },
  {
    name: 'message.timestamp.type',
    kind: 'text',
    fallback: () => 'CreateTime',
    refuse: oneOf('CreateTime', 'LogAppendTime'),
    effect: 'applied',
    documentation: "Whose time a record carries: its producer's or the leader's.",
  },
  {
    name: 'min.insync.replicas',
    kind: 'integer',
    fallback: () => '1',
    refuse: integer(1, 7),
    effect: 'kept',
    documentation: 'A majority of the replicas has synced every acknowledged record, whatever this says.',
  },
  {
    name: 'retention.bytes',
    kind: 'integer',
    fallback: () => '-1',
    refuse: integer(-1, largest),
    effect: 'applied',
    documentation: 'Largest size of a partition before its oldest segments are deleted; -1: no limit.',
  },
  {
    name: 'retention.ms',
    kind: 'integer',
    fallback: (config) => String(config.storage.retention.max_age),
    refuse: integer(-1, largest),
    effect: 'applied',
    documentation: 'How long a record is kept at least; -1: for ever.',
  },
  {
    name: 'segment.bytes',
    kind: 'integer',
    fallback: (config) => String(config.storage.segment_size),
    refuse: integer(1_048_576, 2_147_483_648),
    effect: 'applied',
    documentation: 'Size at which a segment is closed.',
  },
  {
    name: 'segment.ms',
    kind: 'integer',
    fallback: (config) => String(config.storage.segment_age),
    refuse: integer(1, largest),
    effect: 'applied',
    documentation: "Span of its records' times at which a segment is closed.",
  },
  {
    name: 'unclean.leader.election.enable',
    kind: 'boolean',
    fallback: () => 'false',
    refuse: oneOf('false'),
    effect: 'applied',
    documentation: 'Only a replica that has every acknowledged record leads.',
  },
];

/** Every setting that a topic can have, by name, sorted. */
export const topicSettings: ReadonlyMap<string, TopicSetting> = new Map(list.map((setting) => [setting.name, setting]));

/** Why a topic cannot have this setting; undefined when it can. */
export function refuseSetting(name: string, value: string): string | undefined {
  const setting = topicSettings.get(name);
  if (setting === undefined) {
    const nearest = nearestWord(name, topicSettings.keys());
    return `unknown setting ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
  }
  const why = setting.refuse(value);
  return why === undefined ? undefined : `${name}: ${why}, got ${JSON.stringify(value)}`;
}

/** What holds for a topic: its own value, else the broker's default. Throws for a name that is no setting: a defect. */
export function settingOf(config: StreamBusConfig, own: ReadonlyMap<string, string>, name: string): string {
  const setting = topicSettings.get(name);
  if (setting === undefined) throw new Error(`no setting of topics has the name ${name}`);
  return own.get(name) ?? setting.fallback(config);
}
