import type { StreamBusConfig } from '../../config.ts';
import { type TopicSetting, topicSettings } from '../../meta/topicSettings.ts';

/** A setting as DescribeConfigs and CreateTopics show it. */
export interface SettingView {
  readonly name: string;
  readonly value: string;
  readonly readOnly: boolean;
  /** 1 the topic's own, 4 the broker's file, 5 the default. */
  readonly configSource: number;
  readonly isSensitive: boolean;
  /** 1 boolean, 2 string, 5 long, 7 list. */
  readonly configType: number;
  readonly documentation: string;
}

const source = { topic: 1, broker: 4, fallback: 5 } as const;
const types: Readonly<Record<TopicSetting['kind'], number>> = { boolean: 1, text: 2, integer: 5, list: 7 };

/** Every setting of a topic: what it says itself, else what holds for it. */
export function describeTopicSettings(config: StreamBusConfig, own: ReadonlyMap<string, string>): SettingView[] {
  return Array.from(topicSettings.values(), ({ name, kind, fallback, documentation }) => ({
    name,
    value: own.get(name) ?? fallback(config),
    readOnly: false,
    configSource: own.has(name) ? source.topic : source.fallback,
    isSensitive: false,
    configType: types[kind],
    documentation,
  }));
}

type BrokerSetting = readonly [name: string, kind: TopicSetting['kind'], value: string, documentation: string];

/** Settings of a broker under the names that Kafka's tools know. They come from its configuration file and cannot be altered here. */
export function describeBrokerSettings(config: StreamBusConfig, broker: number): SettingView[] {
  const rows: readonly BrokerSetting[] = [
    ['auto.create.topics.enable', 'boolean', String(config.topics.auto_create), 'topics.auto_create'],
    ['broker.id', 'integer', String(broker), 'server.broker_id'],
    ['broker.rack', 'text', config.cluster.rack ?? '', 'cluster.rack'],
    ['connections.max.idle.ms', 'integer', String(config.network.idle_timeout), 'network.idle_timeout'],
    ['default.replication.factor', 'integer', String(config.topics.default_replication), 'topics.default_replication'],
    [
      'group.initial.rebalance.delay.ms',
      'integer',
      String(config.consumer_groups.initial_delay),
      'consumer_groups.initial_delay',
    ],
    [
      'group.max.session.timeout.ms',
      'integer',
      String(config.consumer_groups.session_max),
      'consumer_groups.session_max',
    ],
    [
      'group.min.session.timeout.ms',
      'integer',
      String(config.consumer_groups.session_min),
      'consumer_groups.session_min',
    ],
    ['log.dirs', 'list', config.storage.data_dir, 'storage.data_dir'],
    ['log.retention.bytes', 'integer', String(config.storage.retention.max_bytes ?? -1), 'storage.retention.max_bytes'],
    ['log.retention.ms', 'integer', String(config.storage.retention.max_age), 'storage.retention.max_age'],
    ['log.segment.bytes', 'integer', String(config.storage.segment_size), 'storage.segment_size'],
    ['max.connections', 'integer', String(config.network.max_connections), 'network.max_connections'],
    ['message.max.bytes', 'integer', String(config.topics.max_message), 'topics.max_message'],
    ['num.partitions', 'integer', String(config.topics.default_partitions), 'topics.default_partitions'],
    ['sasl.enabled.mechanisms', 'list', config.security.sasl.mechanisms.join(','), 'security.sasl.mechanisms'],
    ['socket.request.max.bytes', 'integer', String(config.network.max_request), 'network.max_request'],
    ['transaction.max.timeout.ms', 'integer', String(config.transactions.max_timeout), 'transactions.max_timeout'],
  ];
  return rows.map(([name, kind, value, key]) => ({
    name,
    value,
    readOnly: true,
    configSource: source.broker,
    isSensitive: false,
    configType: types[kind],
    documentation: `${key} of the broker's configuration file.`,
  }));
}
