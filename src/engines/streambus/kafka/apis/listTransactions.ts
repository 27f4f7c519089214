import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../../wire/kafka/messages/listTransactions.ts';
import type { TransactionState } from '../../txn/coordinator.ts';
import type { RequestContext } from '../api.ts';

const states: ReadonlySet<string> = new Set<TransactionState>([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
]);

/** ListTransactions: the transactional ids that this broker coordinates; clients ask all brokers. */
export async function listTransactions(
  request: ListTransactionsRequest,
  context: RequestContext,
): Promise<ListTransactionsResponse> {
  const { services } = context;
  const coordinators = services.metadata.shards
    .filter(({ kind }) => kind === 'transactions')
    .flatMap(({ group }) => services.transactionCoordinator(group) ?? [])
    .filter(({ unavailable }) => unavailable !== kafkaErrors.NOT_COORDINATOR);
  const lists = await Promise.all(coordinators.map((coordinator) => coordinator.list()));
  // A shard whose lead was lost meanwhile is listed by its next leader.
  const failed = lists.find(
    ({ errorCode }) => errorCode !== kafkaErrors.NONE && errorCode !== kafkaErrors.NOT_COORDINATOR,
  );
  if (failed !== undefined) return { errorCode: failed.errorCode, transactionStates: [] };
  const now = services.host.clock.wall();
  const wanted = new Set(request.stateFilters);
  const producers = new Set(request.producerIdFilters);
  const transactionStates = lists
    .flatMap(({ transactions }) => transactions)
    .filter(({ transactionalId }) => context.authorize('describe', 'transactional-id', transactionalId))
    .filter(({ state }) => wanted.size === 0 || wanted.has(state))
    .filter(({ producerId }) => producers.size === 0 || producers.has(producerId))
    .filter(
      ({ startedWallMs }) =>
        request.durationFilter < 0 || (startedWallMs >= 0 && now - startedWallMs > request.durationFilter),
    )
    .map(({ transactionalId, producerId, state }) => ({ transactionalId, producerId, transactionState: state }));
  const unknownStateFilters = request.stateFilters.filter((state) => !states.has(state));
  return { errorCode: kafkaErrors.NONE, unknownStateFilters, transactionStates };
}
