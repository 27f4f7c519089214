import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { RpcRefusal } from '../broker/rpc.ts';
import { decodeJson, encodeJson } from '../groups/entries.ts';
import type { GroupId } from '../ids.ts';
import type { BrokerServices } from '../services.ts';
import type { TopicPartition, VerifyRequest } from './coordinator.ts';
import { type MarkerAnswer, type MarkerRequest, markerRpc } from './markers.ts';
import { verifyRpc } from './verify.ts';

/** What of the broker is used. */
export type TransactionServices = Pick<
  BrokerServices,
  'metadata' | 'rpc' | 'partition' | 'groupCoordinator' | 'transactionCoordinator'
>;

/** Answers what brokers ask each other about transactions. Called once, before the broker's RPC listens. */
export function serveTransactions(services: TransactionServices): void {
  services.rpc.serve(verifyRpc, async (body) => {
    // The form is ours: `verifyOrAdd` writes it.
    const request = decodeJson(body) as VerifyRequest;
    const shard = services.metadata.shardOf('transactions', request.transactionalId);
    const coordinator = services.transactionCoordinator(shard);
    if (coordinator === undefined || coordinator.unavailable !== kafkaErrors.NONE) {
      throw new RpcRefusal('NOT_LEADER', `this broker does not lead shard ${shard} of transactions`);
    }
    return encodeJson(await coordinator.verify(request));
  });
  const done = createDoneMarkers();
  services.rpc.serve(markerRpc, async (body) => {
    // The form is ours: `deliverMarkers` writes it.
    const request = decodeJson(body) as MarkerRequest;
    const [partitions, groups] = await Promise.all([
      Promise.all(request.partitions.map((one) => endInPartition(services, done, request, one))),
      endInGroups(services, request),
    ]);
    const answer: MarkerAnswer = { partitions, groups };
    return encodeJson(answer);
  });
}

async function endInPartition(
  services: TransactionServices,
  done: DoneMarkers,
  request: MarkerRequest,
  { topic, partition }: TopicPartition,
): Promise<number> {
  const replica = services.partition(topic, partition);
  if (replica === undefined || !replica.handle.serving) return kafkaErrors.NOT_LEADER_OR_FOLLOWER;
  const { producerId, producerEpoch, commit, coordinatorEpoch, transaction } = request;
  const key = `${topic}/${partition}/${producerId}`;
  if (done.isDone(key, transaction)) return kafkaErrors.NONE;
  const { errorCode } = await replica.endTransaction({ producerId, producerEpoch, commit, coordinatorEpoch });
  if (errorCode === kafkaErrors.NONE) done.note(key, transaction);
  return errorCode;
}

/** One entry a shard: it notes that the transaction ended there, so that all its groups must be in it. */
async function endInGroups(services: TransactionServices, request: MarkerRequest): Promise<readonly number[]> {
  const { producerId, producerEpoch, commit, coordinatorEpoch, transaction } = request;
  const marker = { producerId, producerEpoch, commit, coordinatorEpoch, transaction };
  const byShard = Map.groupBy(request.groups, (groupId) => services.metadata.shardOf('groups', groupId));
  const errors = new Map<GroupId, number>();
  await Promise.all(
    [...byShard].map(async ([shard, groups]) => {
      const coordinator = services.groupCoordinator(shard);
      const isServing = coordinator?.unavailable === kafkaErrors.NONE;
      errors.set(
        shard,
        isServing ? await coordinator.endTransaction({ ...marker, groups }) : kafkaErrors.NOT_COORDINATOR,
      );
    }),
  );
  return request.groups.map(
    (groupId) => errors.get(services.metadata.shardOf('groups', groupId)) ?? kafkaErrors.NOT_COORDINATOR,
  );
}

/** The last transaction that was ended in a partition, by producer. */
interface DoneMarkers {
  isDone(key: string, transaction: number): boolean;
  note(key: string, transaction: number): void;
}

/** Partitions and producers that are remembered; beyond, the one that ended first is forgotten. */
const doneCapacity = 100_000;

/**
 * Before version 2 transactions of a producer share an epoch, so that a partition cannot tell a marker that was sent again and
 * comes late from the end of the next transaction: the coordinator numbers them, and the broker that wrote one remembers its number.
 */
function createDoneMarkers(): DoneMarkers {
  const last = new Map<string, number>();
  return {
    isDone: (key, transaction) => (last.get(key) ?? 0) >= transaction,
    note(key, transaction) {
      last.delete(key);
      last.set(key, transaction);
      if (last.size <= doneCapacity) return;
      for (const oldest of last.keys()) {
        last.delete(oldest);
        break;
      }
    },
  };
}
