import type { AclFilter } from '../../meta/commands.ts';
import type { AclBinding, AclOperation } from '../../meta/metadata.ts';
import { clusterName, operationCodes } from './authorizedOperations.ts';

/** Kafka's numbers. 1 is `any`, for filters alone. */
const any = 1;
const resourceTypes: Readonly<Record<AclBinding['resourceType'], number>> = {
  topic: 2,
  group: 3,
  cluster: 4,
  'transactional-id': 5,
  user: 7,
};
const patternTypes: Readonly<Record<NonNullable<AclFilter['patternType']>, number>> = {
  match: 2,
  literal: 3,
  prefixed: 4,
};
const permissions: Readonly<Record<AclBinding['permission'], number>> = { deny: 2, allow: 3 };

/** A binding as the wire has it. */
export interface AclWire {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** A filter as the wire has it; null fits everything. */
export interface AclFilterWire {
  readonly resourceTypeFilter: number;
  readonly resourceNameFilter: string | null;
  readonly patternTypeFilter: number;
  readonly principalFilter: string | null;
  readonly hostFilter: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

function nameOf<Name extends string>(codes: Readonly<Record<Name, number>>, code: number): Name | undefined {
  // The keys of the record are its names.
  return (Object.keys(codes) as Name[]).find((name) => codes[name] === code);
}

/** The binding, or what about it is not known. */
export function bindingOf(wire: AclWire): AclBinding | string {
  const resourceType = nameOf(resourceTypes, wire.resourceType);
  const patternType = nameOf(patternTypes, wire.patternType);
  const operation = nameOf<AclOperation>(operationCodes, wire.operation);
  const permission = nameOf(permissions, wire.permissionType);
  if (resourceType === undefined) return `expected a type of resource of 2 to 5 or 7, got ${wire.resourceType}`;
  if (patternType === undefined || patternType === 'match') {
    return `expected a literal (3) or a prefixed (4) pattern, got ${wire.patternType}`;
  }
  if (operation === undefined) return `expected an operation from 2 to 12, got ${wire.operation}`;
  if (permission === undefined) return `expected deny (2) or allow (3), got ${wire.permissionType}`;
  if (resourceType === 'cluster' && wire.resourceName !== clusterName) {
    return `expected ${clusterName} as the name of the cluster, got ${JSON.stringify(wire.resourceName)}`;
  }
  const { resourceName, principal, host } = wire;
  return { resourceType, resourceName, patternType, principal, host, operation, permission };
}

/** The binding as the wire has it. */
export function wireOf(binding: AclBinding): AclWire {
  return {
    resourceType: resourceTypes[binding.resourceType],
    resourceName: binding.resourceName,
    patternType: patternTypes[binding.patternType],
    principal: binding.principal,
    host: binding.host,
    operation: operationCodes[binding.operation],
    permissionType: permissions[binding.permission],
  };
}

/** The filter, or what about it is not known. */
export function filterOf(wire: AclFilterWire): AclFilter | string {
  const resourceType = nameOf(resourceTypes, wire.resourceTypeFilter);
  const patternType = nameOf(patternTypes, wire.patternTypeFilter);
  const operation = nameOf<AclOperation>(operationCodes, wire.operation);
  const permission = nameOf(permissions, wire.permissionType);
  if (resourceType === undefined && wire.resourceTypeFilter !== any) {
    return `unknown type of resource ${wire.resourceTypeFilter}`;
  }
  if (patternType === undefined && wire.patternTypeFilter !== any) return `unknown pattern ${wire.patternTypeFilter}`;
  if (operation === undefined && wire.operation !== any) return `unknown operation ${wire.operation}`;
  if (permission === undefined && wire.permissionType !== any) return `unknown permission ${wire.permissionType}`;
  return {
    resourceType,
    resourceName: wire.resourceNameFilter ?? undefined,
    patternType,
    principal: wire.principalFilter ?? undefined,
    host: wire.hostFilter ?? undefined,
    operation,
    permission,
  };
}
