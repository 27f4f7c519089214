/** The terms of one member's log, as the events tell it: a snapshot, and what comes after it. */
export class MemberLog {
  /** Everything up to here is in the state; `#terms[0]` is the term of this index, or 0 where nobody knows it. */
  #base = 0;
  #terms: number[] = [0];

  get base(): number {
    return this.#base;
  }

  get last(): number {
    return this.#base + this.#terms.length - 1;
  }

  /** Begins anew: `terms[0]` is that of `base`. */
  reset(base: number, terms: readonly number[]): void {
    this.#base = base;
    this.#terms = terms.length === 0 ? [0] : [...terms];
  }

  /** Undefined where there is no entry, or it is below the snapshot. */
  termAt(index: number): number | undefined {
    return index < this.#base ? undefined : this.#terms[index - this.#base];
  }

  /** Puts a term at an index; everything behind it goes. What lies below the snapshot is settled. */
  put(index: number, term: number): void {
    if (index <= this.#base) return;
    const at = index - this.#base;
    if (at > this.#terms.length) {
      // A gap: what is between was never told. The log begins anew behind it.
      this.#base = index - 1;
      this.#terms = [0, term];
      return;
    }
    this.#terms.length = at;
    this.#terms.push(term);
  }

  /** A state replaces everything up to `index`; entries behind it stay only if they follow it. */
  restore(index: number, term: number): void {
    if (this.termAt(index) === term) {
      this.#terms = this.#terms.slice(index - this.#base);
      this.#base = index;
      return;
    }
    this.#base = index;
    this.#terms = [term];
  }
}

/** Values by group and member. */
export class ByMember<T> {
  readonly #values = new Map<number, Map<number, T>>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  of(group: number, member: number): T {
    let members = this.#values.get(group);
    if (members === undefined) {
      members = new Map();
      this.#values.set(group, members);
    }
    let value = members.get(member);
    if (value === undefined) {
      value = this.#make();
      members.set(member, value);
    }
    return value;
  }

  find(group: number, member: number): T | undefined {
    return this.#values.get(group)?.get(member);
  }
}

/** Values by group. */
export class ByGroup<T> {
  readonly #values = new Map<number, T>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  of(group: number): T {
    let value = this.#values.get(group);
    if (value === undefined) {
      value = this.#make();
      this.#values.set(group, value);
    }
    return value;
  }
}
