import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { RpcError, type RpcOptions, RpcRefusal } from '../broker/rpc.ts';
import { decodeJson, encodeJson } from '../meta/json.ts';
import type { BrokerServices } from '../services.ts';
import type { VerifyRequest } from './coordinator.ts';

const requestName = 'txn.verify';

/** Answers the questions of partitions' leaders about transactions whose shard this broker leads. Once a broker. */
export function serveVerification(services: Pick<BrokerServices, 'rpc' | 'metadata' | 'transactionCoordinator'>): void {
  services.rpc.serve(requestName, async (body) => {
    const request = decodeJson(body) as VerifyRequest; // a broker of the cluster wrote it
    const shard = services.metadata.shardOf('transactions', request.transactionalId);
    const coordinator = services.transactionCoordinator(shard);
    if (coordinator === undefined || coordinator.unavailable === kafkaErrors.NOT_COORDINATOR) {
      throw new RpcRefusal('NOT_LEADER', `this broker does not lead shard ${shard} of transactions`);
    }
    return encodeJson({ errorCode: await coordinator.verify(request) });
  });
}

/**
 * Asks the coordinator of a transaction, wherever it is, whether all partitions belong to it, or has them added. Returns its error
 * number, 15 when it cannot be reached in time; never rejects.
 */
export async function verifyOrAdd(
  services: BrokerServices,
  request: VerifyRequest,
  options: RpcOptions,
): Promise<number> {
  const shard = services.metadata.shardOf('transactions', request.transactionalId);
  const local = services.transactionCoordinator(shard);
  if (local !== undefined && local.unavailable === 0) return local.verify(request);
  try {
    const answer = await services.rpc.callLeader(shard, requestName, encodeJson(request), options);
    return (decodeJson(answer) as { readonly errorCode: number }).errorCode; // see `serveVerification`
  } catch (error) {
    if (error instanceof RpcError) return kafkaErrors.COORDINATOR_NOT_AVAILABLE;
    throw error;
  }
}
