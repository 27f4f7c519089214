import type { AclFilter, AlterQuotas, AlterScram, CreateAcls, DeleteAcls, MetaResults, Outcome } from './commands.ts';
import type { AclBinding, Quota, QuotaEntity, ScramCredential } from './metadata.ts';
import { aclKey, entityKey, type MetaState } from './model.ts';
import { done, MetaCode, refusal } from './outcomes.ts';
import { noQuota } from './stateFile.ts';

/** Largest number of access rules, of credentials and of quotas, each. */
const maxRules = 10_000;

/** Adds access rules; one that is there already stays. */
export function createAcls(state: MetaState, command: CreateAcls): MetaResults['create-acls'] {
  return command.bindings.map((binding) => {
    if (!/^[^:]+:.+$/.test(binding.principal)) {
      return refusal(MetaCode.invalidRequest, `expected a principal such as User:alice, got ${binding.principal}`);
    }
    if (binding.resourceName === '')
      return refusal(MetaCode.invalidRequest, 'expected the name of a resource, got none');
    const key = aclKey(binding);
    if (!state.acls.has(key) && state.acls.size >= maxRules) {
      return refusal(MetaCode.invalidRequest, `there are ${maxRules} rules already: delete some first`);
    }
    state.acls.set(key, binding);
    return done;
  });
}

/** Deletes access rules by filters. */
export function deleteAcls(state: MetaState, command: DeleteAcls): MetaResults['delete-acls'] {
  return command.filters.map((filter) => {
    const deleted = [...state.acls].filter(([, binding]) => fits(binding, filter));
    for (const [key] of deleted) state.acls.delete(key);
    return { deleted: deleted.map(([, binding]) => binding) };
  });
}

/** Whether a rule is one that the filter asks for (KIP-290). */
export function fits(binding: AclBinding, filter: AclFilter): boolean {
  const isEqual = <T>(wanted: T | undefined, value: T) => wanted === undefined || wanted === value;
  return (
    isEqual(filter.resourceType, binding.resourceType) &&
    isEqual(filter.principal, binding.principal) &&
    isEqual(filter.host, binding.host) &&
    isEqual(filter.operation, binding.operation) &&
    isEqual(filter.permission, binding.permission) &&
    fitsName(binding, filter)
  );
}

function fitsName(binding: AclBinding, { resourceName, patternType }: AclFilter): boolean {
  if (patternType === 'match') {
    if (resourceName === undefined) return true;
    return binding.patternType === 'prefixed'
      ? resourceName.startsWith(binding.resourceName)
      : binding.resourceName === resourceName || binding.resourceName === '*';
  }
  if (patternType !== undefined && patternType !== binding.patternType) return false;
  return resourceName === undefined || resourceName === binding.resourceName;
}

/** Sets and removes quotas. */
export function alterQuotas(state: MetaState, command: AlterQuotas): MetaResults['alter-quotas'] {
  if (command.replaceAll && !command.validateOnly) state.quotas.clear();
  return command.entries.map(({ entity, changes }): Outcome => {
    if (entity.user === undefined && entity.clientId === undefined) {
      return refusal(MetaCode.invalidRequest, 'expected a user or a client id, got neither');
    }
    const bad = changes.find(({ value }) => value !== undefined && !(value > 0 && Number.isFinite(value)));
    if (bad !== undefined) {
      return refusal(MetaCode.invalidRequest, `${bad.key}: expected a rate above 0, got ${bad.value}`);
    }
    const full: QuotaEntity = { user: entity.user, clientId: entity.clientId };
    const key = entityKey(full);
    if (!state.quotas.has(key) && state.quotas.size >= maxRules) {
      return refusal(MetaCode.invalidRequest, `there are ${maxRules} quotas already: remove some first`);
    }
    if (command.validateOnly) return done;
    const before: Quota = state.quotas.get(key)?.quota ?? noQuota;
    const quota: Quota = { ...before, ...Object.fromEntries(changes.map((change) => [change.key, change.value])) };
    const isEmpty = Object.values(quota).every((value) => value === undefined);
    if (isEmpty) state.quotas.delete(key);
    else state.quotas.set(key, { entity: full, quota });
    return done;
  });
}

const iterations = { low: 4_096, high: 16_384 };

/** Sets and removes SCRAM credentials. */
export function alterScram(state: MetaState, command: AlterScram): MetaResults['alter-scram'] {
  const touched = [...command.upserts, ...command.deletions].map(({ user, mechanism }) =>
    JSON.stringify([user, mechanism]),
  );
  const isTwice = (user: string, mechanism: string) =>
    touched.filter((key) => key === JSON.stringify([user, mechanism])).length > 1;
  const duplicate = refusal(MetaCode.duplicateResource, 'a credential is changed more than once');
  const upserted = command.upserts.map(({ user, ...credential }) => {
    if (isTwice(user, credential.mechanism)) return { user, ...duplicate };
    const why = refuseCredential(state, user, credential);
    if (why !== undefined) return { user, ...refusal(MetaCode.unacceptableCredential, why) };
    const others = (state.credentials.get(user) ?? []).filter(({ mechanism }) => mechanism !== credential.mechanism);
    const both = [...others, credential].sort((left, right) => (left.mechanism < right.mechanism ? -1 : 1));
    state.credentials.set(user, both);
    return { user, ...done };
  });
  const deleted = command.deletions.map(({ user, mechanism }) => {
    if (isTwice(user, mechanism)) return { user, ...duplicate };
    const before = state.credentials.get(user) ?? [];
    const after = before.filter((credential) => credential.mechanism !== mechanism);
    if (after.length === before.length) {
      return { user, ...refusal(MetaCode.resourceNotFound, `${user} has no ${mechanism} credential`) };
    }
    if (after.length === 0) state.credentials.delete(user);
    else state.credentials.set(user, after);
    return { user, ...done };
  });
  return [...upserted, ...deleted];
}

function refuseCredential(state: MetaState, user: string, credential: ScramCredential): string | undefined {
  if (user === '') return 'expected the name of a user, got none';
  if (credential.iterations < iterations.low || credential.iterations > iterations.high) {
    return `expected ${iterations.low} to ${iterations.high} iterations, got ${credential.iterations}`;
  }
  if (!state.credentials.has(user) && state.credentials.size >= maxRules) {
    return `there are ${maxRules} users already: delete some first`;
  }
  return undefined;
}

/**
 * The limits that hold for a client, each by the most specific quota that names it, in Kafka's order: user and client, user and any
 * client, user; any user and client, any user and any client, any user; client, any client.
 */
export function quotaFor(state: MetaState, user: string | undefined, clientId: string): Quota {
  if (state.quotas.size === 0) return noQuota;
  const users: (string | null)[] = user === undefined ? [null] : [user, null];
  const entities: QuotaEntity[] = [
    ...users.flatMap((of) => [clientId, null, undefined].map((client) => ({ user: of, clientId: client }))),
    { user: undefined, clientId },
    { user: undefined, clientId: null },
  ];
  const found = entities.flatMap((entity) => state.quotas.get(entityKey(entity))?.quota ?? []);
  const first = (key: keyof Quota) => found.find((quota) => quota[key] !== undefined)?.[key];
  return {
    produceRate: first('produceRate'),
    fetchRate: first('fetchRate'),
    produceBytesRate: first('produceBytesRate'),
    fetchBytesRate: first('fetchBytesRate'),
  };
}
