import type { AclBinding, Metadata } from '../meta/metadata.ts';
import { AclIndex, type AclQuestion } from './acl.ts';

export interface AuthorizerOptions {
  readonly enabled: boolean;
  /** `User:alice`. */
  readonly superUsers: readonly string[];
  readonly metadata: Pick<Metadata, 'acls' | 'version'>;
}

/** Decides who may do what, by the lists as this broker's metadata has them at the moment of the question. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #superUsers: ReadonlySet<string>;
  #bindings: readonly AclBinding[] | undefined;
  #version = -1;
  #index = new AclIndex([]);

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#superUsers = new Set(options.superUsers);
  }

  /** False: everybody may everything. */
  get enabled(): boolean {
    return this.#options.enabled;
  }

  allows(question: AclQuestion): boolean {
    return this.#isFree(question.principal) || this.#current().allows(question);
  }

  /** Whether the operation is permitted on at least one resource of the type. */
  allowsSome(question: Omit<AclQuestion, 'name'>): boolean {
    return this.#isFree(question.principal) || this.#current().allowsSome(question);
  }

  #isFree(principal: string): boolean {
    return !this.#options.enabled || this.#superUsers.has(principal);
  }

  #current(): AclIndex {
    const { acls, version } = this.#options.metadata;
    // The list may be changed in place or be a new one each time: either sign is enough to look again.
    if (acls !== this.#bindings || version !== this.#version) {
      this.#index = new AclIndex(acls);
      this.#bindings = acls;
      this.#version = version;
    }
    return this.#index;
  }
}
