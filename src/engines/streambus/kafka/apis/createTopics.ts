import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { CreateTopicsRequest, CreateTopicsResponse } from '../../../../wire/kafka/messages/createTopics.ts';
import type { TopicOutcome } from '../../meta/commands.ts';
import { bytesOfHex } from '../../meta/json.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';
import { describeTopicSettings } from './settingViews.ts';
import { createTopicsAndWait, type WantedTopic } from './topicCreation.ts';

type TopicQuestion = CreateTopicsRequest['topics'][number];
type TopicAnswer = CreateTopicsResponse['topics'][number];

/** Longest time that a client may have an administrative request wait. */
export const maxAdminTimeoutMs = 120_000;

/** CreateTopics: answered once the topics' partitions are led, so that the next request of the client finds them. */
export async function createTopics(
  request: CreateTopicsRequest,
  context: RequestContext,
): Promise<CreateTopicsResponse> {
  const { services, signal } = context;
  const { clock } = services.host;
  const checked = request.topics.map((topic) => ({ topic, wanted: want(topic, context) }));
  const wanted = checked.flatMap(({ wanted: given }) => ('errorCode' in given ? [] : [given]));
  const startedAt = clock.now();
  let outcomes: readonly TopicOutcome[] = [];
  let failure: { readonly errorCode: number; readonly errorMessage: string } | undefined;
  try {
    if (wanted.length > 0) {
      outcomes = await createTopicsAndWait(services, wanted, {
        validateOnly: request.validateOnly,
        timeoutMs: Math.min(Math.max(request.timeoutMs, 1), maxAdminTimeoutMs),
        signal,
      });
    }
  } catch (error) {
    failure = { errorCode: codeOfFailure(error), errorMessage: textOfFailure(error) };
  }
  context.waited(clock.now() - startedAt);
  let at = 0;
  return {
    topics: checked.map(({ topic, wanted: given }): TopicAnswer => {
      if ('errorCode' in given) return { name: topic.name, ...given };
      if (failure !== undefined) return { name: topic.name, ...failure };
      const outcome = outcomes[at++];
      if (outcome === undefined) throw new Error(`no outcome for topic ${topic.name} of ${outcomes.length}`);
      return answerOf(outcome, topic, context);
    }),
  };
}

/** The topic as the metadata wants it, or why the request cannot be passed on. */
function want(
  topic: TopicQuestion,
  context: RequestContext,
): WantedTopic | { readonly errorCode: number; readonly errorMessage: string } {
  const { name, numPartitions, replicationFactor, assignments, configs } = topic;
  if (!context.authorize('create', 'cluster', clusterName) && !context.authorize('create', 'topic', name)) {
    return { errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED, errorMessage: `not permitted to create ${name}` };
  }
  const unset = configs.find(({ value }) => value === null);
  if (unset !== undefined) {
    return { errorCode: kafkaErrors.INVALID_CONFIG, errorMessage: `${unset.name}: expected a value, got null` };
  }
  const inOrder = [...assignments].sort((left, right) => left.partitionIndex - right.partitionIndex);
  if (inOrder.some(({ partitionIndex }, at) => partitionIndex !== at)) {
    const errorMessage = 'expected an assignment for each partition from 0 on, once';
    return { errorCode: kafkaErrors.INVALID_REPLICA_ASSIGNMENT, errorMessage };
  }
  return {
    name,
    partitions: numPartitions,
    replication: replicationFactor,
    assignment: inOrder.length === 0 ? undefined : inOrder.map(({ brokerIds }) => brokerIds),
    configs: Object.fromEntries(configs.map(({ name: key, value }) => [key, value ?? ''])),
  };
}

function answerOf(outcome: TopicOutcome, topic: TopicQuestion, context: RequestContext): TopicAnswer {
  const { name, errorCode, errorMessage } = outcome;
  const answer = { name, errorCode, errorMessage: errorMessage ?? null };
  if (errorCode !== 0) return answer;
  const own = new Map(topic.configs.map(({ name: key, value }) => [key, value ?? '']));
  const mayDescribe = context.authorize('describe-configs', 'topic', name);
  return {
    ...answer,
    topicId: bytesOfHex(outcome.id),
    numPartitions: outcome.partitions,
    replicationFactor: outcome.replication,
    topicConfigErrorCode: mayDescribe ? kafkaErrors.NONE : kafkaErrors.TOPIC_AUTHORIZATION_FAILED,
    configs: mayDescribe ? describeTopicSettings(context.services.config, own) : null,
  };
}
