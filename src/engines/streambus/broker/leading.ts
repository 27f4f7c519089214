import type { RawNode } from '../../../consensus/rawNode.ts';
import type { RaftId } from '../../../consensus/types.ts';
import type { Followers } from './followers.ts';
import type { ReplicaBody } from './replicaBody.ts';

/** Whether a replica leads, whether it may promise anything as the leader, and whom it knows to lead. */
export class Leading {
  readonly #body: ReplicaBody;
  readonly #followers: Followers;
  /** The term in which it leads; 0: it does not. */
  #term = 0;
  #serves = false;
  #knownLeader: RaftId = 0;
  #knownTerm = 0;

  constructor(body: ReplicaBody, followers: Followers) {
    this.#body = body;
    this.#followers = followers;
  }

  /** It leads, as far as its core knows at this moment, and everything that was committed before is applied. */
  isServing(node: RawNode | undefined): boolean {
    return this.#serves && node?.state === 'leader' && node.term === this.#term;
  }

  /** The core has taken a step. */
  noteRole(node: RawNode): void {
    const leads = node.state === 'leader';
    if (this.#term !== 0 && (!leads || node.term !== this.#term)) this.#lose(node);
    if (leads && this.#term === 0) {
      this.#term = node.term;
      if (this.#body.context.host.telemetry.mutant('serve-before-noop')) this.#serve();
    }
    if (node.leader === this.#knownLeader && node.term === this.#knownTerm) return;
    if (node.state === 'candidate' && node.term !== this.#knownTerm) this.#body.electionBegun();
    this.#knownLeader = node.leader;
    this.#knownTerm = node.term;
    this.#body.leaderChanged();
  }

  /** An entry of `term` is applied. */
  noteApplied(term: number): void {
    const { node } = this.#body;
    const isOwnTerm = this.#term !== 0 && term === this.#term;
    if (isOwnTerm && !this.#serves && node.state === 'leader' && node.term === this.#term) this.#serve();
  }

  /** The replica is being closed. */
  close(): void {
    const why = `group ${this.#body.group} is closed on broker ${this.#body.context.broker}`;
    this.#stopServing(why);
  }

  /** The no-op of its own term is applied, and so is everything before it: it may promise now. */
  #serve(): void {
    this.#serves = true;
    this.#body.machine.lead(this.#term);
    this.#body.leaderChanged();
  }

  #lose(node: RawNode): void {
    const { telemetry } = this.#body.context.host;
    telemetry.sometimes('deposed leader had a tail', node.lastIndex > node.commit);
    this.#term = 0;
    this.#followers.forget();
    this.#stopServing(`broker ${this.#body.context.broker} does not lead group ${this.#body.group} any more`);
  }

  /** What waits for the lead waits in vain. */
  #stopServing(why: string): void {
    const served = this.#serves;
    this.#serves = false;
    if (served) this.#body.machine.follow();
    this.#body.proposals.lose(why);
    this.#body.barriers.fail(why);
  }
}
