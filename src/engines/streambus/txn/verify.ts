import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { RpcError } from '../broker/rpc.ts';
import { decodeJson, encodeJson } from '../groups/entries.ts';
import type { BrokerServices } from '../services.ts';
import type { TopicPartition, VerifyRequest } from './coordinator.ts';

/** Name of the request to the leader of a transactional id's shard. */
export const verifyRpc = 'txn.verify';

/** A verification gets so long; a produce request waits for it. */
const timeoutMs = 3_000;

/** First versions of Produce that know 120, and that add their partitions themselves (KIP-890). */
const abortableFrom = 11;
const addsPartitionsFrom = 12;

/** What of the broker is used. */
export type VerifyServices = Pick<BrokerServices, 'metadata' | 'rpc'>;

/**
 * Before the first batch of a transaction is appended to a partition: whether the partition belongs to the open transaction of the
 * id, or, for clients of version 2 (Produce 12), makes it so. Resolves to the error number that the Produce request of this version
 * is answered with: 0 append; 48 or 120 not in a transaction; 47 fenced; 49 the id has another producer; 51 the last transaction
 * is not ended yet; 19 its coordinator cannot be reached now. None of them was appended.
 *
 * A marker may be applied between the answer and the append: the caller checks that no end of this producer has come since it asked.
 */
export async function verifyOrAdd(
  services: VerifyServices,
  transactionalId: string,
  producerId: number,
  producerEpoch: number,
  partitions: readonly TopicPartition[],
  version: number,
): Promise<number> {
  const add = version >= addsPartitionsFrom;
  const verdict = await askCoordinator(services, {
    transactionalId,
    producerId,
    producerEpoch,
    partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
    groupId: undefined,
    add,
  });
  switch (verdict) {
    case kafkaErrors.NONE:
    case kafkaErrors.INVALID_PRODUCER_ID_MAPPING:
      return verdict;
    case kafkaErrors.PRODUCER_FENCED:
      return kafkaErrors.INVALID_PRODUCER_EPOCH;
    case kafkaErrors.INVALID_TXN_STATE:
      return version >= abortableFrom ? kafkaErrors.TRANSACTION_ABORTABLE : verdict;
    case kafkaErrors.CONCURRENT_TRANSACTIONS:
      // Older clients do not expect 51 here; 19 has them try again.
      return add ? verdict : kafkaErrors.NOT_ENOUGH_REPLICAS;
    default:
      return kafkaErrors.NOT_ENOUGH_REPLICAS;
  }
}

/** First version of TxnOffsetCommit that knows 120. */
const offsetsAbortableFrom = 4;

/** The same for the offsets of a consumer group, in the numbers of TxnOffsetCommit: 15 when the coordinator cannot be reached. */
export async function verifyOffsets(
  services: VerifyServices,
  request: {
    readonly transactionalId: string;
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly groupId: string;
    readonly add: boolean;
  },
): Promise<number> {
  const verdict = await askCoordinator(services, { ...request, partitions: [] });
  switch (verdict) {
    case kafkaErrors.NONE:
    case kafkaErrors.INVALID_PRODUCER_ID_MAPPING:
    case kafkaErrors.INVALID_TXN_STATE:
    case kafkaErrors.CONCURRENT_TRANSACTIONS:
      return verdict;
    case kafkaErrors.PRODUCER_FENCED:
      return kafkaErrors.INVALID_PRODUCER_EPOCH;
    default:
      return kafkaErrors.COORDINATOR_NOT_AVAILABLE;
  }
}

/** What a TxnOffsetCommit of this version is told when its group does not belong to an open transaction. */
export function offsetsVerdict(errorCode: number, version: number): number {
  const isAbortable = errorCode === kafkaErrors.INVALID_TXN_STATE && version >= offsetsAbortableFrom;
  return isAbortable ? kafkaErrors.TRANSACTION_ABORTABLE : errorCode;
}

/** Resolves to the coordinator's error number; 15 when it cannot be reached, or did not answer: asking again is safe. */
async function askCoordinator(services: VerifyServices, request: VerifyRequest): Promise<number> {
  const { metadata, rpc } = services;
  const shard = metadata.shardOf('transactions', request.transactionalId);
  try {
    const answer = await rpc.callLeader(shard, verifyRpc, encodeJson(request), { timeoutMs });
    // The form is ours: `serveVerify` writes a number.
    return decodeJson(answer) as number;
  } catch (error) {
    if (error instanceof RpcError) return kafkaErrors.COORDINATOR_NOT_AVAILABLE;
    throw error;
  }
}
