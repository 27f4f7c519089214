import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { ElectLeadersRequest, ElectLeadersResponse } from '../../../../wire/kafka/messages/electLeaders.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { textOfFailure } from './failure.ts';
import { leaderOf } from './partitionLookup.ts';

type PartitionResult = ElectLeadersResponse['replicaElectionResults'][number]['partitionResult'][number];

const preferred = 0;

/** ElectLeaders: hands leads to the first replicas of partitions. An unclean election is refused: nobody leads without a majority. */
export async function electLeaders(
  request: ElectLeadersRequest,
  context: RequestContext,
): Promise<ElectLeadersResponse> {
  const { services } = context;
  if (!context.authorize('alter', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, replicaElectionResults: [] };
  }
  const isAll = request.topicPartitions === null;
  const asked =
    request.topicPartitions ??
    Array.from(services.metadata.topics.values(), ({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map(({ partition }) => partition),
    }));
  const results = await Promise.all(
    asked.map(async ({ topic, partitions }) => ({
      topic,
      partitionResult: await Promise.all(
        partitions.map((partition) => elect(topic, partition, request.electionType, context)),
      ),
    })),
  );
  // Asked for all, Kafka's answer names those that had something to do.
  const shown = isAll
    ? results.map(({ topic, partitionResult }) => ({
        topic,
        partitionResult: partitionResult.filter(({ errorCode }) => errorCode !== kafkaErrors.ELECTION_NOT_NEEDED),
      }))
    : results;
  return {
    errorCode: kafkaErrors.NONE,
    replicaElectionResults: shown.filter(({ partitionResult }) => !isAll || partitionResult.length > 0),
  };
}

async function elect(
  topic: string,
  partitionId: number,
  electionType: number,
  { services }: RequestContext,
): Promise<PartitionResult> {
  const info = services.metadata.topics.get(topic);
  const partition = info?.partitions[partitionId];
  const first = partition?.replicas[0];
  if (info === undefined || partition === undefined || first === undefined) {
    return { partitionId, errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION };
  }
  if (electionType !== preferred) {
    const errorMessage = 'an unclean election would lose acknowledged records: expected type 0, the preferred replica';
    return { partitionId, errorCode: kafkaErrors.ELIGIBLE_LEADERS_NOT_AVAILABLE, errorMessage };
  }
  if (leaderOf(services, info, partitionId).leaderId === first) {
    return { partitionId, errorCode: kafkaErrors.ELECTION_NOT_NEEDED };
  }
  try {
    await services.transferLead(partition.group, first);
    return { partitionId, errorCode: kafkaErrors.NONE };
  } catch (error) {
    const errorMessage = textOfFailure(error);
    return { partitionId, errorCode: kafkaErrors.PREFERRED_LEADER_NOT_AVAILABLE, errorMessage };
  }
}
