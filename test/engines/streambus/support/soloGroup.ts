import {
  type CommittedEntry,
  type GroupHandle,
  NotProposed,
  ProposalLost,
  type Proposed,
  type ReplicatedMachine,
} from '../../../../src/engines/streambus/broker/group.ts';
import type { BrokerId, GroupId } from '../../../../src/engines/streambus/ids.ts';

interface Pending {
  readonly data: Uint8Array;
  readonly resolve: (proposed: Proposed) => void;
  readonly reject: (error: Error) => void;
}

/** Index and term of the snapshot with which a group begins. */
const bootstrapIndex = 1;

/**
 * A group of one replica, for tests of what sits on groups. A proposal is committed and applied in the microtask after the call,
 * as a group's driver never applies within `propose`; between `hold` and `release` it is when `commit` says so. The lead can be
 * lost, with proposals under way that come to nothing or, as after a real election, are committed by the next leader.
 */
export class SoloGroup implements GroupHandle {
  readonly group: GroupId;
  readonly broker: BrokerId;
  term = 1;
  serving = false;
  leader: BrokerId | undefined = undefined;
  /** Everything that was committed, in order: feed it to another machine to see that it comes to the same state. */
  readonly log: CommittedEntry[] = [];
  /** Next calls of `propose` are refused so; undefined: taken. */
  refusal: NotProposed['reason'] | undefined = undefined;
  #machine: ReplicatedMachine | undefined;
  #pending: Pending[] = [];
  #barriers: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #held = false;
  #scheduled = false;

  constructor(options: { readonly group?: GroupId; readonly broker?: BrokerId } = {}) {
    this.group = options.group ?? 1;
    this.broker = options.broker ?? 1;
  }

  get lastIndex(): number {
    return this.log.at(-1)?.index ?? bootstrapIndex;
  }

  /** Proposals that wait for `commit`. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Gives the group its machine, applies to it what was committed after `from`, and leads. */
  attach(machine: ReplicatedMachine, from: number = bootstrapIndex): void {
    this.#machine = machine;
    for (const entry of this.log) if (entry.index > from) machine.apply(entry);
    this.lead();
  }

  propose(data: Uint8Array): Promise<Proposed> {
    if (!this.serving) throw new NotProposed('not-leader', `group ${this.group}: this replica does not lead`);
    if (this.refusal !== undefined) throw new NotProposed(this.refusal, `group ${this.group}: refused by the test`);
    return new Promise((resolve, reject) => {
      this.#pending.push({ data, resolve, reject });
      this.#schedule();
    });
  }

  readBarrier(): Promise<void> {
    if (!this.serving) {
      return Promise.reject(new NotProposed('not-leader', `group ${this.group}: this replica does not lead`));
    }
    return new Promise((resolve, reject) => {
      this.#barriers.push({ resolve, reject });
      this.#schedule();
    });
  }

  /** From now on nothing is committed by itself, and no barrier passes. */
  hold(): void {
    this.#held = true;
  }

  /** Ends `hold`: what waits is committed. */
  release(): void {
    this.#held = false;
    this.#schedule();
  }

  /** Commits and applies the oldest `count` proposals at once; default all. Barriers pass. */
  commit(count: number = this.#pending.length): void {
    for (const { data, resolve } of this.#pending.splice(0, count)) {
      const { index, term, result } = this.#apply(data);
      resolve({ index, term, result });
    }
    for (const { resolve } of this.#barriers.splice(0)) resolve();
  }

  /**
   * Loses the lead. Everything under way is rejected with `ProposalLost`; of it the first `survive` entries are committed by the
   * next leader all the same (default none).
   */
  lose(options: { readonly survive?: number; readonly leader?: BrokerId } = {}): void {
    if (!this.serving) throw new Error(`group ${this.group}: expected a leader that can lose the lead`);
    const pending = this.#pending.splice(0);
    const barriers = this.#barriers.splice(0);
    this.serving = false;
    this.leader = options.leader;
    this.term++;
    this.#machine?.follow();
    for (const { reject } of pending) reject(new ProposalLost(`group ${this.group}: the lead was lost`));
    for (const { reject } of barriers) reject(new NotProposed('not-leader', `group ${this.group}: the lead was lost`));
    for (const { data } of pending.slice(0, options.survive ?? 0)) this.#apply(data);
  }

  /** Leads (again): a new term, its no-op, then the machine hears of it. */
  lead(): void {
    if (this.serving) throw new Error(`group ${this.group}: expected a follower`);
    this.term++;
    this.leader = this.broker;
    this.#apply(new Uint8Array(0));
    this.serving = true;
    this.#machine?.lead(this.term);
  }

  /** Loses the lead and gets it back with nothing between: what a short election looks like from here. */
  bounce(options: { readonly survive?: number } = {}): void {
    this.lose(options);
    this.lead();
  }

  #schedule(): void {
    if (this.#held || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#held) this.commit();
    });
  }

  #apply(data: Uint8Array): Proposed {
    const entry: CommittedEntry = { index: this.lastIndex + 1, term: this.term, data };
    this.log.push(entry);
    if (this.#machine === undefined) throw new Error(`group ${this.group}: attach a machine first`);
    return { index: entry.index, term: entry.term, result: this.#machine.apply(entry) };
  }
}
