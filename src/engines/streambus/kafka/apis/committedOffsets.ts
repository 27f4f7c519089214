import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { OffsetToCommit } from '../../groups/coordinator.ts';
import type { RequestContext } from '../api.ts';
import { isKnownPartition } from './coordinators.ts';

interface CommitTopic {
  readonly name: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly committedOffset: number;
    readonly committedLeaderEpoch: number;
    readonly committedMetadata: string | null;
  }[];
}

interface AnsweredTopic {
  readonly name: string;
  readonly partitions: { readonly partitionIndex: number; readonly errorCode: number }[];
}

/**
 * The common part of OffsetCommit and TxnOffsetCommit: sorts out partitions that the sender may not read (29) or that do not exist
 * (3), has the rest committed, and puts the answers into the order of the request.
 */
export async function commitEach(
  topics: readonly CommitTopic[],
  context: RequestContext,
  commit: (offsets: readonly OffsetToCommit[]) => Promise<readonly number[]>,
): Promise<AnsweredTopic[]> {
  const taken: OffsetToCommit[] = [];
  const places: (number | { readonly index: number })[] = [];
  for (const { name, partitions } of topics) {
    const isAllowed = context.authorize('read', 'topic', name);
    for (const one of partitions) {
      if (!isAllowed) places.push(kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
      else if (!isKnownPartition(context.services, name, one.partitionIndex)) {
        places.push(kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
      } else {
        places.push({ index: taken.length });
        taken.push({
          topic: name,
          partition: one.partitionIndex,
          offset: one.committedOffset,
          leaderEpoch: one.committedLeaderEpoch,
          metadata: one.committedMetadata ?? '',
        });
      }
    }
  }
  const committed = taken.length === 0 ? [] : await commit(taken);
  let at = 0;
  const errorAt = (): number => {
    const place = places[at++] ?? kafkaErrors.UNKNOWN_SERVER_ERROR;
    return typeof place === 'number' ? place : (committed[place.index] ?? kafkaErrors.UNKNOWN_SERVER_ERROR);
  };
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errorAt() })),
  }));
}

/** The same error for all. */
export function refuseEach(topics: readonly CommitTopic[], errorCode: number): AnsweredTopic[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}
