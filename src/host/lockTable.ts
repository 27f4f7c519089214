import type { LockMode } from './sharedMemory.ts';

/** The regions of one participant that have taken one lock. */
export class LockUsers {
  readonly #users = new Set<object>();
  #alone = false;

  /** Whether nobody has the lock any more. */
  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  /** Gives the lock to a region too; false where it, or another one, wants the lock for itself alone. */
  add(user: object, mode: LockMode): boolean {
    const hasOthers = this.#users.size > (this.#users.has(user) ? 1 : 0);
    if (hasOthers && (this.#alone || mode === 'alone')) return false;
    this.#users.add(user);
    if (mode === 'alone') this.#alone = true;
    return true;
  }

  /** Ends what a region has; false if it had nothing. */
  delete(user: object): boolean {
    return this.#users.delete(user);
  }
}

/** Who holds a lock: a participant, through regions of its own. */
interface Holding<P> {
  readonly participant: P;
  readonly users: LockUsers;
}

/**
 * Liveness locks where one program knows all participants: threads of a process, and the simulator. Regions with the same lock name
 * share them; a lock is free when each region that took it has let go.
 */
export class LockTable<P> {
  readonly #held = new Map<string, Map<number, Holding<P>>>();

  /** Takes lock `index` of a name for a region of the participant; false if another participant has it, or a region that is not to share it. */
  lock(name: string, index: number, participant: P, user: object, mode: LockMode = 'shared'): boolean {
    let locks = this.#held.get(name);
    if (locks === undefined) {
      locks = new Map();
      this.#held.set(name, locks);
    }
    let holding = locks.get(index);
    if (holding === undefined) {
      holding = { participant, users: new LockUsers() };
      locks.set(index, holding);
    }
    return holding.participant === participant && holding.users.add(user, mode);
  }

  /** Ends what a region has of a lock. */
  unlock(name: string, index: number, user: object): void {
    const locks = this.#held.get(name);
    const holding = locks?.get(index);
    if (holding?.users.delete(user) !== true || !holding.users.isEmpty) return;
    locks?.delete(index);
  }

  /** Ends all that a region has. */
  release(name: string, user: object): void {
    for (const index of [...(this.#held.get(name)?.keys() ?? [])]) this.unlock(name, index, user);
  }

  /** Who holds a lock; undefined if it is free. */
  holder(name: string, index: number): P | undefined {
    return this.#held.get(name)?.get(index)?.participant;
  }
}
