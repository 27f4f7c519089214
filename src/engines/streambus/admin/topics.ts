import { z } from 'zod';
import { isoTime } from '../../isoTime.ts';
import type { Outcome } from '../meta/commands.ts';
import { MetaError } from '../meta/commands.ts';
import { hexOf } from '../meta/json.ts';
import type { TopicInfo } from '../meta/metadata.ts';
import { MetaCode } from '../meta/outcomes.ts';
import { settingOf, topicSettings } from '../meta/topicSettings.ts';
import { AdminRefusal, type AdminRoute, bodyOf, ok } from './answer.ts';
import type { AdminContext } from './context.ts';

const settingValue = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const createBody = z.strictObject({
  name: z.string(),
  partitions: z.int().optional(),
  replication: z.int().optional(),
  configs: z.record(z.string(), settingValue).default({}),
});
const changeBody = z.strictObject({
  partitions: z.int().optional(),
  /** Null: back to the default. */
  configs: z.record(z.string(), settingValue.nullable()).default({}),
});

const codes: Readonly<Record<number, readonly [number, string]>> = {
  [MetaCode.unknownTopic]: [404, 'UNKNOWN_TOPIC'],
  [MetaCode.unknownTopicId]: [404, 'UNKNOWN_TOPIC'],
  [MetaCode.invalidTopic]: [422, 'BAD_TOPIC_NAME'],
  [MetaCode.topicExists]: [409, 'TOPIC_EXISTS'],
  [MetaCode.invalidPartitions]: [422, 'BAD_PARTITIONS'],
  [MetaCode.invalidReplicationFactor]: [422, 'BAD_REPLICATION'],
  [MetaCode.invalidReplicaAssignment]: [422, 'BAD_ASSIGNMENT'],
  [MetaCode.invalidConfig]: [422, 'BAD_CONFIG'],
};

/** @throws AdminRefusal unless it was done */
export function expectDone(outcome: Outcome | undefined): void {
  if (outcome === undefined || outcome.errorCode === 0) return;
  const [status, code] = codes[outcome.errorCode] ?? [422, `KAFKA_${outcome.errorCode}`];
  throw new AdminRefusal(status, code, outcome.errorMessage ?? `Kafka's error ${outcome.errorCode}`);
}

/** Has the metadata do something. @throws AdminRefusal 503 NO_QUORUM, 504 UNKNOWN_OUTCOME */
export async function submitted<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof MetaError)) throw error;
    if (error.outcome === 'refused') {
      throw new AdminRefusal(
        503,
        'NO_QUORUM',
        error.message,
        'nothing was done; hotfire streambus check-quorum says why',
      );
    }
    throw new AdminRefusal(504, 'UNKNOWN_OUTCOME', error.message, 'it may be done yet: look before you repeat it');
  }
}

/** Topics: list, show, create, change, delete. */
export function topicRoutes(context: AdminContext): readonly AdminRoute[] {
  const { services, runtime } = context;
  const { metadata, commands, host, config } = services;

  const found = (name: string): TopicInfo => {
    const topic = metadata.topics.get(name);
    if (topic === undefined) throw new AdminRefusal(404, 'UNKNOWN_TOPIC', `there is no topic ${name}`);
    return topic;
  };
  const summary = (topic: TopicInfo) => ({
    name: topic.name,
    id: hexOf(topic.id),
    partitions: topic.partitions.length,
    replication: topic.partitions[0]?.replicas.length ?? 0,
    configs: Object.fromEntries([...topic.configs].sort(([left], [right]) => (left < right ? -1 : 1))),
  });
  const detail = (topic: TopicInfo) => ({
    ...summary(topic),
    created: isoTime(topic.createdWall),
    settings: Object.fromEntries(
      [...topicSettings.keys()].map((name) => [name, settingOf(config, topic.configs, name)]),
    ),
    partition_list: topic.partitions.map(({ partition, group, replicas }) => ({
      partition,
      group,
      leader: runtime.leaderOf(group)?.broker ?? null,
      replicas,
    })),
  });

  return [
    {
      method: 'GET',
      path: '/admin/topics',
      needs: 'quorum',
      summary: 'Every topic.',
      role: 'read',
      handler: async () =>
        ok({
          topics: [...metadata.topics.values()].sort((left, right) => (left.name < right.name ? -1 : 1)).map(summary),
        }),
    },
    {
      method: 'GET',
      path: '/admin/topics/{name}',
      needs: 'quorum',
      summary: 'A topic with its settings and partitions.',
      role: 'read',
      handler: async (request) => ok(detail(found(request.parameters.name ?? ''))),
    },
    {
      method: 'POST',
      path: '/admin/topics',
      summary: 'Creates a topic.',
      schema: { body: createBody },
      handler: async (request) => {
        const { name, partitions, replication, configs } = bodyOf(request, createBody);
        const { default_partitions: defaultPartitions, default_replication: defaultReplication } = config.topics;
        const [outcome] = await submitted(
          commands.submit({
            type: 'create-topics',
            topics: [
              {
                name,
                id: hexOf(host.random.stream('topic-id').bytes(16)),
                partitions: partitions ?? -1,
                replication: replication ?? -1,
                assignment: undefined,
                configs,
              },
            ],
            validateOnly: false,
            createdWall: host.clock.wall(),
            defaults: { partitions: defaultPartitions, replication: defaultReplication },
          }),
        );
        expectDone(outcome);
        return ok(detail(found(name)), 201);
      },
    },
    {
      method: 'POST',
      path: '/admin/topics/{name}',
      needs: 'quorum',
      summary: 'Changes settings of a topic (null: back to the default) or gives it more partitions.',
      schema: { body: changeBody },
      handler: async (request) => {
        const name = request.parameters.name ?? '';
        const { partitions, configs } = bodyOf(request, changeBody);
        found(name);
        const changes = Object.entries(configs).map(([setting, value]) => ({
          name: setting,
          operation: value === null ? ('delete' as const) : ('set' as const),
          value: value ?? undefined,
        }));
        if (changes.length > 0) {
          const resources = [{ type: 'topic', name, mode: 'incremental', changes } as const];
          const [outcome] = await submitted(commands.submit({ type: 'alter-configs', resources, validateOnly: false }));
          expectDone(outcome);
        }
        if (partitions !== undefined) {
          const topics = [{ name, count: partitions, assignment: undefined }];
          const [outcome] = await submitted(
            commands.submit({ type: 'create-partitions', topics, validateOnly: false }),
          );
          expectDone(outcome);
        }
        return ok(detail(found(name)));
      },
    },
    {
      method: 'DELETE',
      path: '/admin/topics/{name}',
      summary: 'Deletes a topic with all that is in it.',
      handler: async (request) => {
        const name = request.parameters.name ?? '';
        const [outcome] = await submitted(
          commands.submit({ type: 'delete-topics', topics: [{ name, id: undefined }] }),
        );
        expectDone(outcome);
        return ok({ deleted: name });
      },
    },
  ];
}
