import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../../wire/kafka/messages/alterPartitionReassignments.ts';
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../../../wire/kafka/messages/listPartitionReassignments.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';

type PartitionAnswer = AlterPartitionReassignmentsResponse['responses'][number]['partitions'][number];

/**
 * AlterPartitionReassignments: replicas are where the cluster placed them and are not moved. Asking for what is already so
 * succeeds, anything else is refused by name.
 */
export async function alterPartitionReassignments(
  request: AlterPartitionReassignmentsRequest,
  context: RequestContext,
): Promise<AlterPartitionReassignmentsResponse> {
  if (!context.authorize('alter', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, responses: [] };
  }
  return {
    errorCode: kafkaErrors.NONE,
    responses: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }) => answerOne(name, partitionIndex, replicas, context)),
    })),
  };
}

function answerOne(
  topic: string,
  partitionIndex: number,
  wanted: readonly number[] | null,
  { services }: RequestContext,
): PartitionAnswer {
  const present = services.metadata.topics.get(topic)?.partitions[partitionIndex]?.replicas;
  if (present === undefined) return { partitionIndex, errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION };
  if (wanted === null) return { partitionIndex, errorCode: kafkaErrors.NO_REASSIGNMENT_IN_PROGRESS };
  const isSame = wanted.length === present.length && wanted.every((broker, at) => broker === present[at]);
  if (isSame) return { partitionIndex, errorCode: kafkaErrors.NONE };
  const errorMessage = `expected the replicas as they are, ${present.join(', ')}, got ${wanted.join(', ')}: none are moved`;
  return { partitionIndex, errorCode: kafkaErrors.INVALID_REPLICA_ASSIGNMENT, errorMessage };
}

/** ListPartitionReassignments: replicas are not moved, so none is on its way. */
export async function listPartitionReassignments(
  _request: ListPartitionReassignmentsRequest,
  context: RequestContext,
): Promise<ListPartitionReassignmentsResponse> {
  const mayDescribe = context.authorize('describe', 'cluster', clusterName);
  return { errorCode: mayDescribe ? kafkaErrors.NONE : kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, topics: [] };
}
