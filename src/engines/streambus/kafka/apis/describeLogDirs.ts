import { DiskError } from '../../../../host/disk.ts';
import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../../../wire/kafka/messages/describeLogDirs.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';

type Result = DescribeLogDirsResponse['results'][number];

/** DescribeLogDirs: the data directory of this broker, its partitions and their sizes, and the space of its volume. */
export async function describeLogDirs(
  request: DescribeLogDirsRequest,
  context: RequestContext,
): Promise<DescribeLogDirsResponse> {
  const { services } = context;
  if (!context.authorize('describe', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, results: [] };
  }
  const logDir = services.config.storage.data_dir;
  try {
    const { freeBytes, totalBytes } = await services.host.disk.usage(logDir);
    const topics = partitionsByTopic(request, context);
    return { results: [{ errorCode: kafkaErrors.NONE, logDir, topics, totalBytes, usableBytes: freeBytes }] };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { results: [{ errorCode: kafkaErrors.KAFKA_STORAGE_ERROR, logDir, topics: [] }] };
  }
}

function partitionsByTopic({ topics: asked }: DescribeLogDirsRequest, { services }: RequestContext): Result['topics'] {
  const wanted =
    asked === null ? undefined : new Map(asked.map(({ topic, partitions }) => [topic, new Set(partitions)]));
  const found = new Map<string, { name: string; partitions: Result['topics'][number]['partitions'][number][] }>();
  for (const replica of services.partitions) {
    const { topic, partition } = replica.info;
    if (wanted !== undefined && wanted.get(topic)?.has(partition) !== true) continue;
    const entry = found.get(topic) ?? { name: topic, partitions: [] };
    found.set(topic, entry);
    entry.partitions.push({
      partitionIndex: partition,
      partitionSize: replica.sizeBytes,
      offsetLag: 0,
      isFutureKey: false,
    });
  }
  return [...found.values()];
}
