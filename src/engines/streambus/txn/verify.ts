import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { RpcError, type RpcOptions } from '../broker/rpc.ts';
import { decodeJson, encodeJson } from '../groups/entries.ts';
import type { BrokerServices } from '../services.ts';
import type { VerifyRequest } from './coordinator.ts';

/** Name of the request to the leader of a transactional id's shard. */
export const verifyRpc = 'txn.verify';

/** What of the broker is used. */
export type VerifyServices = Pick<BrokerServices, 'metadata' | 'rpc'>;

/**
 * Asks the coordinator of a transactional id whether partitions (or a consumer group's offsets) belong to its open transaction, or,
 * with `add`, to make it so (KIP-890). Resolves to an error number: 0 yes; 48 they do not; 90 fenced; 49 the id has another
 * producer; 51 the last transaction is not ended yet; 7, 14, 15 or 16 it could not be asked now. Asking again is always safe.
 *
 * An end may be applied between the answer and what the caller does with it: the caller checks that no end of this producer has
 * come since it asked.
 */
export async function verifyOrAdd(
  services: VerifyServices,
  request: VerifyRequest,
  options: RpcOptions = {},
): Promise<number> {
  const { metadata, rpc } = services;
  const shard = metadata.shardOf('transactions', request.transactionalId);
  try {
    const answer = await rpc.callLeader(shard, verifyRpc, encodeJson(request), options);
    // The form is ours: the other side writes a number.
    return decodeJson(answer) as number;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return error.reason === 'lost' ? kafkaErrors.REQUEST_TIMED_OUT : kafkaErrors.COORDINATOR_NOT_AVAILABLE;
  }
}

/** A commit of offsets waits so long for the coordinator of its transaction. */
const offsetsTimeoutMs = 3_000;

/** The same for the offsets of a consumer group, in the numbers of TxnOffsetCommit: 15 when the coordinator cannot be asked. */
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
  const verdict = await verifyOrAdd(services, { ...request, partitions: [] }, { timeoutMs: offsetsTimeoutMs });
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
