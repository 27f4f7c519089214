import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import {
  type MetadataRequest,
  type MetadataResponse,
  noAuthorizedOperations,
} from '../../../../wire/kafka/messages/metadata.ts';
import { zeroUuid } from '../../../../wire/kafka/schema/types.ts';
import type { TopicInfo } from '../../meta/metadata.ts';
import { refuseName } from '../../meta/topicCommands.ts';
import type { BrokerServices } from '../../services.ts';
import type { RequestContext } from '../api.ts';
import { authorizedOperations, clusterName } from './authorizedOperations.ts';
import { codeOfFailure } from './failure.ts';
import { leaderOf } from './partitionLookup.ts';
import { createTopicsAndWait } from './topicCreation.ts';

type TopicAnswer = MetadataResponse['topics'][number];
type TopicQuestion = NonNullable<MetadataRequest['topics']>[number];

/** How long an answer is held back for topics that are made for it. */
const createTimeoutMs = 5_000;
/** First version in which a topic's name may be null. */
const nullNameFrom = 12;

/** Metadata: who is in the cluster and who leads what. A topic that does not exist is made, where that is allowed. */
export async function metadata(request: MetadataRequest, context: RequestContext): Promise<MetadataResponse> {
  const { services, version } = context;
  const { topics: asked } = request;
  const isAll = asked === null || (version === 0 && asked.length === 0);
  const createErrors = isAll ? new Map<string, number>() : await createMissing(asked, request, context);
  const topics = isAll
    ? [...services.metadata.topics.values()]
        .filter(({ name }) => context.authorize('describe', 'topic', name))
        .map((topic) => describe(topic, request, context))
    : asked.map((question) => answerOne(question, createErrors, request, context));
  return {
    brokers: liveBrokers(services),
    clusterId: services.metadata.clusterId,
    // Every broker passes administration on, so whoever answers is controller enough: at least it lives.
    controllerId: services.broker,
    topics,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? authorizedOperations(context, 'cluster', clusterName)
      : noAuthorizedOperations,
  };
}

/** Brokers that clients may connect to. */
export function liveBrokers(services: BrokerServices): MetadataResponse['brokers'] {
  return [...services.metadata.brokers.values()]
    .filter(({ state, kafka }) => state !== 'left' && kafka.port > 0)
    .map(({ broker, kafka, rack }) => ({ nodeId: broker, host: kafka.host, port: kafka.port, rack: rack ?? null }));
}

/** Makes the topics that are asked for and missing. Returns the errors of those that could not be made. */
async function createMissing(
  asked: readonly TopicQuestion[],
  request: MetadataRequest,
  context: RequestContext,
): Promise<Map<string, number>> {
  const { services, signal } = context;
  const { clock } = services.host;
  const errors = new Map<string, number>();
  if (!services.config.topics.auto_create || !request.allowAutoTopicCreation) return errors;
  const missing = new Set(
    asked.flatMap(({ name }) => {
      if (name === null || services.metadata.topics.has(name) || refuseName(name) !== undefined) return [];
      const mayCreate =
        context.authorize('create', 'topic', name) || context.authorize('create', 'cluster', clusterName);
      return mayCreate && context.authorize('describe', 'topic', name) ? [name] : [];
    }),
  );
  if (missing.size === 0) return errors;
  const startedAt = clock.now();
  try {
    const wanted = Array.from(missing, (name) => ({
      name,
      partitions: -1,
      replication: -1,
      assignment: undefined,
      configs: {},
    }));
    const outcomes = await createTopicsAndWait(services, wanted, {
      validateOnly: false,
      timeoutMs: createTimeoutMs,
      signal,
    });
    for (const { name, errorCode } of outcomes) if (errorCode !== 0) errors.set(name, errorCode);
  } catch (error) {
    codeOfFailure(error);
    // Whether they come is open: the client asks again.
    for (const name of missing) errors.set(name, kafkaErrors.LEADER_NOT_AVAILABLE);
  }
  context.waited(clock.now() - startedAt);
  return errors;
}

function answerOne(
  question: TopicQuestion,
  createErrors: ReadonlyMap<string, number>,
  request: MetadataRequest,
  context: RequestContext,
): TopicAnswer {
  const { services, version } = context;
  const isById = question.topicId.some((byte) => byte !== 0);
  const topic = isById
    ? services.metadata.topicById(question.topicId)
    : services.metadata.topics.get(question.name ?? '');
  const name = topic?.name ?? question.name;
  const refused = (errorCode: number, shownName: string | null): TopicAnswer => ({
    errorCode,
    name: shownName ?? (version >= nullNameFrom ? null : ''),
    topicId: isById ? question.topicId : zeroUuid,
    partitions: [],
  });
  if (name === null) return refused(kafkaErrors.UNKNOWN_TOPIC_ID, null);
  if (!context.authorize('describe', 'topic', name)) {
    // Who asks by id and may not know the topic does not learn its name.
    return refused(kafkaErrors.TOPIC_AUTHORIZATION_FAILED, isById ? null : name);
  }
  if (topic !== undefined) return describe(topic, request, context);
  if (isById) return refused(kafkaErrors.UNKNOWN_TOPIC_ID, question.name);
  if (refuseName(name) !== undefined) return refused(kafkaErrors.INVALID_TOPIC_EXCEPTION, name);
  const createError = createErrors.get(name);
  // Another client was faster: the next answer has it.
  if (createError === kafkaErrors.TOPIC_ALREADY_EXISTS) return refused(kafkaErrors.LEADER_NOT_AVAILABLE, name);
  return refused(createError ?? kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, name);
}

function describe(topic: TopicInfo, request: MetadataRequest, context: RequestContext): TopicAnswer {
  const { services } = context;
  return {
    errorCode: kafkaErrors.NONE,
    name: topic.name,
    topicId: topic.id,
    partitions: topic.partitions.map((_, partition) => describePartition(services, topic, partition)),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations
      ? authorizedOperations(context, 'topic', topic.name)
      : noAuthorizedOperations,
  };
}

/** What clients are told of one partition. A majority of the replicas is in sync by construction; all are named. */
export function describePartition(
  services: BrokerServices,
  topic: TopicInfo,
  partition: number,
): TopicAnswer['partitions'][number] & { readonly offlineReplicas: readonly number[] } {
  const replicas = topic.partitions[partition]?.replicas ?? [];
  const { leaderId, leaderEpoch } = leaderOf(services, topic, partition);
  const isGone = (broker: number): boolean => (services.metadata.brokers.get(broker)?.state ?? 'left') === 'left';
  return {
    errorCode: leaderId < 0 ? kafkaErrors.LEADER_NOT_AVAILABLE : kafkaErrors.NONE,
    partitionIndex: partition,
    leaderId,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: replicas.filter((broker) => !isGone(broker)),
    offlineReplicas: replicas.filter(isGone),
  };
}
