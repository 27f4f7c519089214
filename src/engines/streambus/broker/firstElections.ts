import type { GroupId } from '../ids.ts';
import type { GroupReplica } from './groupReplica.ts';
import type { DesiredMembers } from './runtime.ts';

/** What a group begins with: nobody has led it as long as there is no more than that. */
const firstIndex = 1;
const firstTerm = 1;

/** What the first elections know of the broker. */
export interface FirstElectionsContext {
  readonly desired: (group: GroupId) => DesiredMembers | undefined;
  /** It wants no leads. */
  readonly isHandingOver: () => boolean;
  /** Ticks in which it tries; afterwards the election time-outs decide, as ever. */
  readonly electionTicks: number;
}

/**
 * The first leader of a group that has just begun: whoever should lead campaigns at once, so that nobody has to wait for an election
 * time-out. The others may open the group a moment later and have heard nothing of it, so it asks again at each tick. It begins with a
 * pre-vote (Raft thesis §9.6): where somebody leads already it disturbs nothing.
 */
export class FirstElections {
  readonly #context: FirstElectionsContext;
  readonly #ticksLeft = new Map<GroupReplica, number>();

  constructor(context: FirstElectionsContext) {
    this.#context = context;
  }

  /** A replica has opened. */
  opened(replica: GroupReplica): void {
    if (!this.#shouldLead(replica)) return;
    this.#ticksLeft.set(replica, this.#context.electionTicks);
    replica.campaign();
  }

  tick(): void {
    for (const [replica, ticks] of this.#ticksLeft) {
      if (ticks === 0 || !this.#shouldLead(replica)) {
        this.#ticksLeft.delete(replica);
        continue;
      }
      this.#ticksLeft.set(replica, ticks - 1);
      replica.campaign();
    }
  }

  #shouldLead(replica: GroupReplica): boolean {
    if (!replica.isOpen || replica.isOnProbation || this.#context.isHandingOver()) return false;
    const { node, storage, member } = replica;
    const isFresh = node.term === firstTerm && node.lastIndex === firstIndex && node.leader === 0;
    if (!isFresh || !storage.confState.voters.includes(member)) return false;
    return this.#context.desired(replica.group)?.voters[0] === member;
  }
}
