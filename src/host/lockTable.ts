/** Who holds a lock: a participant, through regions of its own. */
interface Holding<P> {
  readonly participant: P;
  readonly users: Set<object>;
}

/**
 * Liveness locks where one program knows all participants: threads of a process, and the simulator. Regions with the same lock name
 * share them; a lock is free when each region that took it has let go.
 */
export class LockTable<P> {
  readonly #held = new Map<string, Map<number, Holding<P>>>();

  /** Takes lock `index` of a name for a region of the participant; false if another participant has it. */
  lock(name: string, index: number, participant: P, user: object): boolean {
    let locks = this.#held.get(name);
    if (locks === undefined) {
      locks = new Map();
      this.#held.set(name, locks);
    }
    const holding = locks.get(index);
    if (holding === undefined) locks.set(index, { participant, users: new Set([user]) });
    else if (holding.participant === participant) holding.users.add(user);
    else return false;
    return true;
  }

  /** Ends what a region has of a lock. */
  unlock(name: string, index: number, user: object): void {
    const locks = this.#held.get(name);
    const holding = locks?.get(index);
    if (holding?.users.delete(user) !== true || holding.users.size > 0) return;
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
