import { LogLost } from '../../../consensus/errors.ts';
import type { Message, RaftId } from '../../../consensus/types.ts';
import type { Host } from '../../../host/host.ts';
import type { Introduction } from '../../../wire/rpc/handshake.ts';
import { StreamBusError } from '../errors.ts';
import { acceptsRollback } from '../identity.ts';
import { type BrokerId, brokerOf, type GroupId, type Incarnation, incarnationOf, raftIdOf } from '../ids.ts';
import type { GroupReplica } from './groupReplica.ts';
import { readRaftFrame } from './outbox.ts';
import type { Transport, TransportListener } from './transport.ts';

/** What the frames of other brokers are given to. */
export interface GroupFramesOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly incarnation: Incarnation;
  readonly transport: Transport;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
  /** A broker has told that it leads a group. */
  readonly onLead: (group: GroupId, term: number, broker: BrokerId) => void;
  /** The frames of one read have been given. */
  readonly onRead: () => void;
  /** There is a connection to a broker. */
  readonly onUp: (broker: BrokerId) => void;
  /** A message was dropped. */
  readonly onFenced: (reason: string) => void;
  readonly onFatal: (error: unknown) => void;
}

/** What the network brings to the groups, and what the other brokers have told of themselves. */
export class GroupFrames implements TransportListener {
  readonly #options: GroupFramesOptions;
  readonly #member: RaftId;
  /** Brokers that want no leads. */
  readonly #yielding = new Set<BrokerId>();
  /** Groups of other brokers whose replicas have no vote. */
  readonly #onProbation = new Map<BrokerId, ReadonlySet<GroupId>>();

  constructor(options: GroupFramesOptions) {
    this.#options = options;
    this.#member = raftIdOf(options.broker, options.incarnation);
  }

  /** A broker has said that it wants no leads. */
  yields(broker: BrokerId): boolean {
    return this.#yielding.has(broker);
  }

  /** A member has said that it has no vote in the group yet. */
  isOnProbation(group: GroupId, id: RaftId): boolean {
    return this.#onProbation.get(brokerOf(id))?.has(group) === true;
  }

  /** There is a connection to the very process that has this id. */
  isReachable(id: RaftId): boolean {
    const broker = brokerOf(id);
    if (broker === this.#options.broker) return incarnationOf(id) === this.#options.incarnation;
    return this.#options.transport.peer(broker)?.peer?.incarnation === incarnationOf(id);
  }

  onFrame(kind: number, payload: Uint8Array, from: Introduction): void {
    const { broker, incarnation, transport, onFenced, onLead } = this.#options;
    if (transport.isFenced(from.broker, from.incarnation)) {
      onFenced('incarnation');
      return;
    }
    readRaftFrame(
      kind,
      payload,
      from,
      { broker, incarnation },
      {
        message: (group, generation, message) => {
          if (message.from !== raftIdOf(from.broker, from.incarnation)) onFenced('sender');
          else this.#deliver(group, message, (own) => own === generation);
        },
        heartbeat: (group, byte, message) => this.#deliver(group, message, (own) => (own & 255) === byte),
        probation: (groups) => this.#onProbation.set(from.broker, groups),
        journalEnd: (end) => transport.journalEnds.heard(from.broker, from.incarnation, end),
        leads: (group, term) => onLead(group, term, from.broker),
        yields: (yields) => {
          if (yields) this.#yielding.add(from.broker);
          else this.#yielding.delete(from.broker);
        },
      },
    );
  }

  onRead(): void {
    this.#options.onRead();
  }

  onUp(broker: BrokerId): void {
    this.#options.onUp(broker);
    for (const replica of this.#options.replicas.values()) if (replica.isOpen) replica.reachable(broker);
  }

  onDown(broker: BrokerId): void {
    this.#lostTouch(broker);
  }

  onNewProcess(broker: BrokerId): void {
    this.#lostTouch(broker);
  }

  onFenced(reason: string): void {
    this.#options.onFenced(reason);
  }

  #deliver(group: GroupId, message: Message, isGeneration: (own: number) => boolean): void {
    const replica = this.#options.replicas.get(group);
    if (replica?.isOpen !== true) return;
    if (message.to !== this.#member) this.#options.onFenced('incarnation');
    else if (!isGeneration(replica.spec.generation)) this.#options.onFenced('generation');
    else this.#step(replica, message);
  }

  /** An invariant that does not hold is the process's end, not the connection's. */
  #step(replica: GroupReplica, message: Message): void {
    try {
      replica.step(message);
    } catch (error) {
      const isRollback = error instanceof LogLost && !acceptsRollback(this.#options.host.telemetry);
      this.#options.onFatal(isRollback ? rolledBack(replica.group, message.from, error) : error);
    }
  }

  /** What was on its way to a broker may be lost: the leaders here hear of it, also of snapshots. */
  #lostTouch(broker: BrokerId): void {
    for (const replica of this.#options.replicas.values()) {
      if (!replica.isOpen || replica.node.state !== 'leader') continue;
      const { voters, votersOutgoing, learners } = replica.storage.confState;
      for (const id of new Set([...voters, ...votersOutgoing, ...learners])) {
        if (brokerOf(id) === broker) replica.undelivered(id, true);
      }
    }
  }
}

/** What a leader knows that this broker has acknowledged is gone: no vote and no word of its log counts any more. */
function rolledBack(group: GroupId, leader: RaftId, { commit, lastIndex }: LogLost): StreamBusError {
  return new StreamBusError(
    'ROLLED_BACK_DISK',
    `group ${group}: broker ${brokerOf(leader)} leads and counts on entry ${commit}, which this broker has acknowledged, and its log ends at ${lastIndex}: ` +
      'the disk is an older copy, or has lost what it called durable. Start again, and the broker takes a new incarnation',
  );
}
