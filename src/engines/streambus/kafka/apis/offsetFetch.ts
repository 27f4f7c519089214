import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../../../wire/kafka/messages/offsetFetch.ts';
import type { FetchedOffset } from '../../groups/coordinator.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

interface AskedTopic {
  readonly name: string;
  readonly partitionIndexes: readonly number[];
}

interface AnsweredTopic {
  readonly name: string;
  readonly partitions: {
    readonly partitionIndex: number;
    readonly committedOffset: number;
    readonly committedLeaderEpoch: number;
    readonly metadata: string;
    readonly errorCode: number;
  }[];
}

/** First version that asks for many groups. */
const manyGroupsFrom = 8;
/** First version with an error for the whole answer; before, each partition carries it. */
const groupErrorFrom = 2;

/** OffsetFetch: how far groups have read, as a majority knows it. */
export async function offsetFetch(request: OffsetFetchRequest, context: RequestContext): Promise<OffsetFetchResponse> {
  if (context.version >= manyGroupsFrom) {
    const groups = await Promise.all(
      request.groups.map(async ({ groupId, topics }) => ({
        groupId,
        ...(await fetchGroup(groupId, topics, request.requireStable, context)),
      })),
    );
    return { groups };
  }
  const { errorCode, topics } = await fetchGroup(request.groupId, request.topics, request.requireStable, context);
  const failed = context.version < groupErrorFrom && errorCode !== kafkaErrors.NONE;
  return failed
    ? { topics: (request.topics ?? []).map((topic) => unanswered(topic, errorCode)) }
    : { errorCode, topics };
}

async function fetchGroup(
  groupId: string,
  asked: readonly AskedTopic[] | null,
  requireStable: boolean,
  context: RequestContext,
): Promise<{ readonly errorCode: number; readonly topics: AnsweredTopic[] }> {
  if (!context.authorize('describe', 'group', groupId)) {
    return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED, topics: [] };
  }
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { errorCode, topics: [] };
  const isAllowed = (topic: string) => context.authorize('describe', 'topic', topic);
  const allowed = asked?.filter(({ name }) => isAllowed(name));
  const partitions = allowed?.flatMap(({ name, partitionIndexes }) =>
    partitionIndexes.map((partition) => ({ topic: name, partition })),
  );
  const answer = await coordinator.fetchOffsets({ groupId, partitions, requireStable });
  if (answer.errorCode !== kafkaErrors.NONE) return { errorCode: answer.errorCode, topics: [] };
  const refused = asked?.filter(({ name }) => !isAllowed(name)) ?? [];
  return {
    errorCode: kafkaErrors.NONE,
    topics: [
      ...byTopic(answer.offsets.filter(({ topic }) => asked !== null || isAllowed(topic))),
      ...refused.map((topic) => unanswered(topic, kafkaErrors.TOPIC_AUTHORIZATION_FAILED)),
    ],
  };
}

function byTopic(offsets: readonly FetchedOffset[]): AnsweredTopic[] {
  const topics = new Map<string, AnsweredTopic>();
  for (const { topic, partition, offset, leaderEpoch, metadata, errorCode } of offsets) {
    let answered = topics.get(topic);
    if (answered === undefined) {
      answered = { name: topic, partitions: [] };
      topics.set(topic, answered);
    }
    answered.partitions.push({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      metadata,
      errorCode,
    });
  }
  return [...topics.values()];
}

function unanswered({ name, partitionIndexes }: AskedTopic, errorCode: number): AnsweredTopic {
  return {
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: '',
      errorCode,
    })),
  };
}
