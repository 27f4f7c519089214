import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import { type Leadership, LeaderTable } from './gossip.ts';
import type { GroupReplica } from './groupReplica.ts';

/** Who leads each group: by the replicas here, and by what other brokers tell. */
export class Leads {
  readonly #replicas: ReadonlyMap<GroupId, GroupReplica>;
  /** Another leads than was known, in a group with a replica here. */
  readonly #onNewLeader: (replica: GroupReplica) => void;
  readonly #table = new LeaderTable();

  constructor(replicas: ReadonlyMap<GroupId, GroupReplica>, onNewLeader: (replica: GroupReplica) => void) {
    this.#replicas = replicas;
    this.#onNewLeader = onNewLeader;
  }

  /** Undefined while nobody is known to lead. */
  of(group: GroupId): Leadership | undefined {
    const replica = this.#replicas.get(group);
    const heard = this.#table.get(group);
    if (replica?.isOpen !== true) return heard;
    const { node } = replica;
    if (node.leader !== 0 && (heard === undefined || heard.term <= node.term)) {
      return { broker: brokerOf(node.leader), term: node.term };
    }
    // A member knows best that its own term's leader is not heard of any more.
    return heard !== undefined && heard.term > node.term ? heard : undefined;
  }

  /** Calls `fn` at each change; what it returns ends that. */
  onChange(fn: (group: GroupId) => void): () => void {
    return this.#table.onChange(fn);
  }

  /** A broker has told that it leads. */
  heard(group: GroupId, term: number, broker: BrokerId): void {
    this.#table.heard(group, term, broker);
  }

  /** A group's replica is not here any more. */
  removed(group: GroupId): void {
    this.#table.changed(group);
  }

  /** A replica here knows another leader, or serves, or does so no more. */
  changed(replica: GroupReplica): void {
    const { node, group } = replica;
    const known = this.#table.get(group);
    const leader = node.leader === 0 ? undefined : brokerOf(node.leader);
    if (leader !== undefined && (known?.term !== node.term || known.broker !== leader)) {
      this.#onNewLeader(replica);
      this.#table.heard(group, node.term, leader);
    } else {
      this.#table.changed(group);
    }
  }
}
