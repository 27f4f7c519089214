import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../../wire/kafka/messages/findCoordinator.ts';
import type { RequestContext } from '../api.ts';
import { shardOf } from './coordinators.ts';

interface Found {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** FindCoordinator: the broker that leads the shard of a group (key type 0) or of a transactional id (1). */
export async function findCoordinator(
  request: FindCoordinatorRequest,
  context: RequestContext,
): Promise<FindCoordinatorResponse> {
  if (context.version < 4) return find(request.key, request.keyType, context);
  const coordinators = request.coordinatorKeys.map((key) => ({ key, ...find(key, request.keyType, context) }));
  return { coordinators };
}

function find(key: string, keyType: number, context: RequestContext): Found {
  if (keyType === 0) {
    return context.authorize('describe', 'group', key)
      ? locate('groups', key, context)
      : missing(kafkaErrors.GROUP_AUTHORIZATION_FAILED, `not allowed to describe group ${key}`);
  }
  if (keyType === 1) {
    return context.authorize('describe', 'transactional-id', key)
      ? locate('transactions', key, context)
      : missing(kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, `not allowed to describe transactional id ${key}`);
  }
  return missing(kafkaErrors.INVALID_REQUEST, `expected key type 0 (group) or 1 (transactional id), got ${keyType}`);
}

function locate(kind: 'groups' | 'transactions', key: string, { services }: RequestContext): Found {
  const shard = shardOf(services, kind, key);
  const leader = shard === undefined ? undefined : services.leaderOf(shard);
  const broker = leader === undefined ? undefined : services.metadata.brokers.get(leader.broker);
  if (broker === undefined) {
    return missing(kafkaErrors.COORDINATOR_NOT_AVAILABLE, `nobody leads the shard of ${key} now: ask again`);
  }
  const { host, port } = broker.kafka;
  return { errorCode: kafkaErrors.NONE, errorMessage: null, nodeId: broker.broker, host, port };
}

function missing(errorCode: number, errorMessage: string): Found {
  return { errorCode, errorMessage, nodeId: -1, host: '', port: -1 };
}
