import type { AclBinding, AclOperation } from '../meta/metadata.ts';

/** What is asked: whether somebody may do something with a resource. */
export interface AclQuestion {
  readonly principal: string;
  readonly host: string;
  readonly operation: AclOperation;
  readonly type: AclBinding['resourceType'];
  readonly name: string;
}

/** Operations whose permission includes another: who may read a topic may also describe it. As in Kafka's authorizer. */
const implies: Readonly<Partial<Record<AclOperation, readonly AclOperation[]>>> = {
  describe: ['read', 'write', 'delete', 'alter'],
  'describe-configs': ['alter-configs'],
};

interface TypeIndex {
  readonly literal: Map<string, AclBinding[]>;
  readonly prefixed: Map<string, AclBinding[]>;
  /** Lengths that prefixes have: a name is cut at each of them. */
  readonly prefixLengths: Set<number>;
}

/**
 * Access control lists, indexed by resource: a question costs as many look-ups as there are lengths of prefixes, however many
 * bindings there are. A matching denial wins over every permission; without a matching permission the answer is no.
 */
export class AclIndex {
  readonly #types = new Map<AclBinding['resourceType'], TypeIndex>();

  constructor(bindings: readonly AclBinding[]) {
    for (const binding of bindings) this.#add(binding);
  }

  #add(binding: AclBinding): void {
    let index = this.#types.get(binding.resourceType);
    if (index === undefined) {
      index = { literal: new Map(), prefixed: new Map(), prefixLengths: new Set() };
      this.#types.set(binding.resourceType, index);
    }
    const map = binding.patternType === 'literal' ? index.literal : index.prefixed;
    const same = map.get(binding.resourceName);
    if (same === undefined) map.set(binding.resourceName, [binding]);
    else same.push(binding);
    if (binding.patternType === 'prefixed') index.prefixLengths.add(binding.resourceName.length);
  }

  /** Whether the lists permit it. */
  allows(question: AclQuestion): boolean {
    let isAllowed = false;
    for (const binding of this.#matching(question.type, question.name)) {
      if (!appliesTo(binding, question)) continue;
      if (binding.permission === 'deny') {
        if (binding.operation === 'all' || binding.operation === question.operation) return false;
      } else if (covers(binding.operation, question.operation)) {
        isAllowed = true;
      }
    }
    return isAllowed;
  }

  /**
   * Whether the operation is permitted on at least one resource of the type: what a producer needs to be given an id. A
   * denial counts here only when it denies all resources.
   */
  allowsSome(question: Omit<AclQuestion, 'name'>): boolean {
    const index = this.#types.get(question.type);
    if (index === undefined) return false;
    const names = [...index.literal.keys(), ...index.prefixed.keys()];
    return names.some((name) => this.allows({ ...question, name }));
  }

  *#matching(type: AclBinding['resourceType'], name: string): Generator<AclBinding> {
    const index = this.#types.get(type);
    if (index === undefined) return;
    yield* index.literal.get(name) ?? [];
    if (name !== '*') yield* index.literal.get('*') ?? [];
    for (const length of index.prefixLengths) {
      if (length <= name.length) yield* index.prefixed.get(name.slice(0, length)) ?? [];
    }
  }
}

function appliesTo(binding: AclBinding, { principal, host }: AclQuestion): boolean {
  return (
    (binding.principal === principal || binding.principal === 'User:*') &&
    (binding.host === host || binding.host === '*')
  );
}

function covers(permitted: AclOperation, asked: AclOperation): boolean {
  return permitted === 'all' || permitted === asked || (implies[asked]?.includes(permitted) ?? false);
}
