import type { AclBinding, AclOperation } from '../../meta/metadata.ts';
import type { RequestContext } from '../api.ts';

/** Kafka's numbers of the operations that access lists know. */
export const operationCodes: Readonly<Record<AclOperation, number>> = {
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  'cluster-action': 9,
  'describe-configs': 10,
  'alter-configs': 11,
  'idempotent-write': 12,
};

/** Name of the only resource of the type `cluster`. */
export const clusterName = 'kafka-cluster';

/** What can be done with a resource of a type, as Kafka lists it. */
const operationsOf: Readonly<Partial<Record<AclBinding['resourceType'], readonly AclOperation[]>>> = {
  topic: ['read', 'write', 'create', 'delete', 'alter', 'describe', 'describe-configs', 'alter-configs'],
  group: ['read', 'delete', 'describe'],
  cluster: ['create', 'alter', 'describe', 'cluster-action', 'describe-configs', 'alter-configs', 'idempotent-write'],
};

/** What the sender may do with a resource: a bit for each operation's number. */
export function authorizedOperations(context: RequestContext, type: AclBinding['resourceType'], name: string): number {
  let bits = 0;
  for (const operation of operationsOf[type] ?? []) {
    if (context.authorize(operation, type, name)) bits |= 1 << operationCodes[operation];
  }
  return bits;
}
