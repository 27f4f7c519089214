import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { CreateAclsRequest, CreateAclsResponse } from '../../../../wire/kafka/messages/createAcls.ts';
import type { DeleteAclsRequest, DeleteAclsResponse } from '../../../../wire/kafka/messages/deleteAcls.ts';
import type { DescribeAclsRequest, DescribeAclsResponse } from '../../../../wire/kafka/messages/describeAcls.ts';
import { fits } from '../../meta/accessCommands.ts';
import type { AclFilter } from '../../meta/commands.ts';
import type { AclBinding, AclOperation } from '../../meta/metadata.ts';
import type { DoorContext } from '../doorContext.ts';
import { type AclWire, bindingOf, filterOf, wireOf } from './aclCodes.ts';
import { clusterName } from './authorizedOperations.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';

interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** DescribeAcls: the access rules that a filter fits, by resource. */
export async function describeAcls(request: DescribeAclsRequest, context: DoorContext): Promise<DescribeAclsResponse> {
  const refused = refuse('describe', context);
  if (refused !== undefined) return { ...refused, resources: [] };
  const filter = filterOf(request);
  if (typeof filter === 'string') {
    return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: filter, resources: [] };
  }
  const resources = new Map<string, AclWire[]>();
  for (const binding of context.services.metadata.acls) {
    if (!fits(binding, filter)) continue;
    const key = JSON.stringify([binding.resourceType, binding.patternType, binding.resourceName]);
    const own = resources.get(key) ?? [];
    resources.set(key, own);
    own.push(wireOf(binding));
  }
  return {
    errorCode: kafkaErrors.NONE,
    resources: Array.from(resources.values(), (own) => ({
      resourceType: own[0]?.resourceType ?? 0,
      resourceName: own[0]?.resourceName ?? '',
      patternType: own[0]?.patternType ?? 0,
      acls: own.map(({ principal, host, operation, permissionType }) => ({
        principal,
        host,
        operation,
        permissionType,
      })),
    })),
  };
}

/** CreateAcls: adds access rules, each by itself. */
export async function createAcls(request: CreateAclsRequest, context: DoorContext): Promise<CreateAclsResponse> {
  const refused = refuse('alter', context);
  if (refused !== undefined) return { results: request.creations.map(() => refused) };
  const read = request.creations.map((creation) =>
    bindingOf({ ...creation, patternType: creation.resourcePatternType }),
  );
  const bindings = read.filter((binding): binding is AclBinding => typeof binding !== 'string');
  try {
    const outcomes =
      bindings.length === 0
        ? []
        : await context.services.commands.submit({ type: 'create-acls', bindings }, { signal: context.signal });
    let at = 0;
    return {
      results: read.map((binding) => {
        if (typeof binding === 'string') {
          return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: binding };
        }
        const outcome = outcomes[at++];
        if (outcome === undefined) throw new Error(`${outcomes.length} outcomes of ${bindings.length} access rules`);
        return { errorCode: outcome.errorCode, errorMessage: outcome.errorMessage ?? null };
      }),
    };
  } catch (error) {
    const failure = failureOf(error);
    return { results: request.creations.map(() => failure) };
  }
}

/** DeleteAcls: deletes the access rules that filters fit, and tells which those were. */
export async function deleteAcls(request: DeleteAclsRequest, context: DoorContext): Promise<DeleteAclsResponse> {
  const refused = refuse('alter', context);
  if (refused !== undefined) return { filterResults: request.filters.map(() => ({ ...refused, matchingAcls: [] })) };
  const read = request.filters.map(filterOf);
  const filters = read.filter((filter): filter is AclFilter => typeof filter !== 'string');
  try {
    const outcomes =
      filters.length === 0
        ? []
        : await context.services.commands.submit({ type: 'delete-acls', filters }, { signal: context.signal });
    let at = 0;
    return {
      filterResults: read.map((filter) => {
        if (typeof filter === 'string') {
          return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: filter, matchingAcls: [] };
        }
        const outcome = outcomes[at++];
        if (outcome === undefined) throw new Error(`${outcomes.length} outcomes of ${filters.length} filters`);
        return {
          errorCode: kafkaErrors.NONE,
          matchingAcls: outcome.deleted.map((binding) => ({ errorCode: kafkaErrors.NONE, ...wireOf(binding) })),
        };
      }),
    };
  } catch (error) {
    const failure = failureOf(error);
    return { filterResults: request.filters.map(() => ({ ...failure, matchingAcls: [] })) };
  }
}

function refuse(operation: AclOperation, context: DoorContext): Refusal | undefined {
  if (!context.door.authorizer.enabled) {
    const errorMessage = 'access rules are not in force here: security.acl.enabled is false';
    return { errorCode: kafkaErrors.SECURITY_DISABLED, errorMessage };
  }
  return context.authorize(operation, 'cluster', clusterName)
    ? undefined
    : { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, errorMessage: 'not permitted' };
}

function failureOf(error: unknown): Refusal {
  return { errorCode: codeOfFailure(error), errorMessage: textOfFailure(error) };
}
