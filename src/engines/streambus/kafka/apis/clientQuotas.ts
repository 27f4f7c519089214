import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../../../wire/kafka/messages/alterClientQuotas.ts';
import type {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from '../../../../wire/kafka/messages/describeClientQuotas.ts';
import type { AlterQuotas, QuotaKey } from '../../meta/commands.ts';
import type { Quota, QuotaEntity } from '../../meta/metadata.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';

type Component = DescribeClientQuotasRequest['components'][number];
type Entry = AlterQuotas['entries'][number];
type WireEntity = AlterClientQuotasRequest['entries'][number]['entity'];

/** Names of the limits: Kafka's for bytes, our own for records. */
const wireKeys: Readonly<Record<QuotaKey, string>> = {
  produceRate: 'produce_rate',
  fetchRate: 'fetch_rate',
  produceBytesRate: 'producer_byte_rate',
  fetchBytesRate: 'consumer_byte_rate',
};
const quotaKeys = Object.keys(wireKeys) as QuotaKey[]; // the keys of the record
const match = { exact: 0, fallback: 1, any: 2 } as const;

/** DescribeClientQuotas: the quotas that were set, by a filter of their entities (KIP-546). */
export async function describeClientQuotas(
  request: DescribeClientQuotasRequest,
  context: RequestContext,
): Promise<DescribeClientQuotasResponse> {
  if (!context.authorize('describe-configs', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, entries: null };
  }
  const { components, strict } = request;
  const bad = components.find(
    ({ entityType, matchType }) => !isEntityType(entityType) || !(matchType >= 0 && matchType <= 2),
  );
  if (bad !== undefined || new Set(components.map(({ entityType }) => entityType)).size !== components.length) {
    const errorMessage = 'expected user and client-id, each once, with a match of 0 (exact), 1 (default) or 2 (any)';
    return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage, entries: null };
  }
  return {
    errorCode: kafkaErrors.NONE,
    entries: context.services.metadata.quotas
      .filter(({ entity }) => isWanted(entity, components, strict))
      .map(({ entity, quota }) => ({ entity: wireEntity(entity), values: wireValues(quota) })),
  };
}

function isEntityType(type: string): type is 'user' | 'client-id' {
  return type === 'user' || type === 'client-id';
}

function partOf(entity: QuotaEntity, type: string): string | null | undefined {
  return type === 'user' ? entity.user : entity.clientId;
}

function isWanted(entity: QuotaEntity, components: readonly Component[], strict: boolean): boolean {
  const parts = ['user', 'client-id'].filter((type) => partOf(entity, type) !== undefined);
  if (strict && parts.some((type) => !components.some(({ entityType }) => entityType === type))) return false;
  return components.every(({ entityType, matchType, match: name }) => {
    const part = partOf(entity, entityType);
    if (part === undefined) return false;
    if (matchType === match.any) return true;
    return matchType === match.fallback ? part === null : part === name;
  });
}

function wireEntity(entity: QuotaEntity): { entityType: string; entityName: string | null }[] {
  return ['user', 'client-id'].flatMap((entityType) => {
    const entityName = partOf(entity, entityType);
    return entityName === undefined ? [] : [{ entityType, entityName }];
  });
}

function wireValues(quota: Quota): { key: string; value: number }[] {
  return quotaKeys.flatMap((name) => {
    const value = quota[name];
    return value === undefined ? [] : [{ key: wireKeys[name], value }];
  });
}

/** AlterClientQuotas: sets and removes quotas, each entity by itself. */
export async function alterClientQuotas(
  request: AlterClientQuotasRequest,
  context: RequestContext,
): Promise<AlterClientQuotasResponse> {
  const entities = request.entries.map(({ entity }) => entity);
  const same = (errorCode: number, errorMessage: string): AlterClientQuotasResponse => ({
    entries: entities.map((entity) => ({ errorCode, errorMessage, entity })),
  });
  if (!context.authorize('alter-configs', 'cluster', clusterName)) {
    return same(kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, 'not permitted');
  }
  const read = request.entries.map(entryOf);
  const entries = read.filter((entry): entry is Entry => typeof entry !== 'string');
  try {
    const outcomes =
      entries.length === 0
        ? []
        : await context.services.commands.submit(
            { type: 'alter-quotas', entries, replaceAll: false, validateOnly: request.validateOnly },
            { signal: context.signal },
          );
    let at = 0;
    return {
      entries: read.map((entry, which) => {
        const entity = entities[which] ?? [];
        if (typeof entry === 'string') {
          return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: entry, entity };
        }
        const outcome = outcomes[at++];
        if (outcome === undefined) throw new Error(`${outcomes.length} outcomes of ${entries.length} quotas`);
        return { errorCode: outcome.errorCode, errorMessage: outcome.errorMessage ?? null, entity };
      }),
    };
  } catch (error) {
    return same(codeOfFailure(error), textOfFailure(error));
  }
}

/** The entry as the metadata wants it, or what about it is not known. */
function entryOf({ entity, ops }: AlterClientQuotasRequest['entries'][number]): Entry | string {
  const read = entityOf(entity);
  if (typeof read === 'string') return read;
  const changes: Entry['changes'][number][] = [];
  for (const { key: wireKey, value, remove } of ops) {
    const key = quotaKeys.find((name) => wireKeys[name] === wireKey);
    if (key === undefined) {
      return `expected one of ${Object.values(wireKeys).join(', ')}, got ${JSON.stringify(wireKey)}`;
    }
    changes.push({ key, value: remove ? undefined : value });
  }
  return { entity: read, changes };
}

function entityOf(entity: WireEntity): QuotaEntity | string {
  let user: string | null | undefined;
  let clientId: string | null | undefined;
  for (const { entityType, entityName } of entity) {
    if (!isEntityType(entityType)) return `expected user or client-id, got ${JSON.stringify(entityType)}`;
    if ((entityType === 'user' ? user : clientId) !== undefined) return `${entityType} is named twice`;
    if (entityType === 'user') user = entityName;
    else clientId = entityName;
  }
  return { user, clientId };
}
