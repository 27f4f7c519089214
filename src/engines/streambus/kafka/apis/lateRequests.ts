import type { TransactionCoordinator, TransactionRequest } from '../../txn/coordinator.ts';
import type { RequestContext } from '../api.ts';

/**
 * Throws `DropConnection` for a transactional request that comes late, on a connection that its client has given up: it would end, or
 * change, the transaction after the one that it was meant for. A producer that another instance has fenced is let through: it is refused
 * whatever it asks, and has to learn why, not to be cut off and try for ever.
 */
export function dropIfLate(
  context: RequestContext,
  request: TransactionRequest,
  coordinator: TransactionCoordinator | undefined,
): void {
  if (coordinator?.isFenced(request) === true) return;
  context.services.connectionFence.check('transaction', request.transactionalId, context.connection);
}
