import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import { NotProposed, ProposalLost } from '../../broker/group.ts';
import { RpcError } from '../../broker/rpc.ts';
import { MetaError } from '../../meta/commands.ts';

/** What a client is told of an error that a part of the broker threw: a number that makes it try again. Throws what is a defect. */
export function codeOfFailure(error: unknown): number {
  if (error instanceof NotProposed) {
    return error.reason === 'not-leader' ? kafkaErrors.NOT_LEADER_OR_FOLLOWER : kafkaErrors.NOT_ENOUGH_REPLICAS;
  }
  if (error instanceof ProposalLost || error instanceof RpcError || error instanceof MetaError) {
    return kafkaErrors.REQUEST_TIMED_OUT;
  }
  throw error;
}

/** The text that goes with it. */
export function textOfFailure(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
