/** What the addon offers for shared memory. Every function throws an Error with a `code` when an argument is not what is said here. */
export interface ShmAddon {
  /** Soft and hard limit of locked memory of this process, bytes; -1 where there is none. */
  memlockLimit(): { readonly soft: number; readonly hard: number };
}
