import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import type { Gossiper } from './gossiper.ts';
import { NotProposed } from './group.ts';
import type { GroupReplica } from './groupReplica.ts';
import type { Leads } from './leads.ts';
import type { Reconciler } from './reconcile.ts';

/** How often a hand-over looks how far it is. */
const handOverPollMs: Millis = 50;

/** What hand-overs work with. */
export interface HandOversOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
  /** Throws `NotProposed` when there is no open one here. */
  readonly replicaOf: (group: GroupId) => GroupReplica;
  readonly leads: Leads;
  readonly gossiper: Gossiper;
  readonly reconciler: Reconciler;
  /** Tells a broker that an operator wants it to lead a group in a term after that one. Rejects with `RpcError`. */
  readonly tellChoice: (to: BrokerId, group: GroupId, generation: number, term: number) => Promise<void>;
  /** How long whoever should take a lead has for it. */
  readonly takeOverMs: Millis;
  readonly isStopping: () => boolean;
}

/** Leads that go to other brokers: one that somebody asks for, or all before the broker stops. */
export class HandOvers {
  readonly #options: HandOversOptions;

  constructor(options: HandOversOptions) {
    this.#options = options;
  }

  /**
   * Gives the lead of a group to a broker as an operator wants it: that one keeps it, though another is preferred, for as long as it leads.
   * Rejects with `NotProposed` when it cannot be, or is not taken in time.
   */
  async transfer(group: GroupId, to: BrokerId): Promise<void> {
    const { host, broker, leads, replicaOf, takeOverMs, reconciler } = this.#options;
    const replica = replicaOf(group);
    const target = replica.storage.confState.voters.find((id) => brokerOf(id) === to);
    if (!replica.serving || target === undefined) {
      throw new NotProposed('not-leader', `group ${group} is not led by broker ${broker}, or ${to} has no vote`);
    }
    const { term } = replica;
    if (to === broker) {
      reconciler.chosen(group, term - 1);
      return;
    }
    replica.transferLeader(target);
    const told = this.#tellChoice(replica, to, term);
    for (let waitedMs = 0; waitedMs < takeOverMs; waitedMs += handOverPollMs) {
      if (leads.of(group)?.broker === to) {
        await told;
        return;
      }
      await host.clock.sleep(handOverPollMs);
    }
    throw new NotProposed('transferring', `broker ${to} did not take the lead of group ${group} in time`);
  }

  /** Until it is told, or its time for taking the lead is over: then the lead may go back to the preferred leader. */
  async #tellChoice({ group, spec }: GroupReplica, to: BrokerId, term: number): Promise<void> {
    const { host, takeOverMs, tellChoice } = this.#options;
    const untilMs = host.clock.now() + takeOverMs;
    for (;;) {
      try {
        await tellChoice(to, group, spec.generation, term);
        return;
      } catch (error) {
        if (host.clock.now() + handOverPollMs >= untilMs) {
          const message = error instanceof Error ? error.message : String(error);
          host.telemetry.logger.warn('a broker was not told that it was chosen to lead', { group, to, error: message });
          return;
        }
        await host.clock.sleep(handOverPollMs);
      }
    }
  }

  /** Gives the lead of one group away, if it is led here and somebody can take it. */
  one(group: GroupId): void {
    const replica = this.#options.replicas.get(group);
    if (replica?.isOpen === true) this.#options.reconciler.handOver(replica);
  }

  /** Gives all leads away, and takes none; resolves to the groups that it still leads though somebody could. */
  async all(withinMs: Millis): Promise<readonly GroupId[]> {
    const { host, replicas, gossiper, reconciler, isStopping } = this.#options;
    gossiper.setYields(true);
    const { clock } = host;
    const deadline = clock.now() + withinMs;
    for (;;) {
      const led = [...replicas.values()].filter((replica) => replica.isOpen && replica.node.state === 'leader');
      const movable = led.filter((replica) => reconciler.handOver(replica));
      if (movable.length === 0 || clock.now() >= deadline || isStopping()) return movable.map(({ group }) => group);
      await clock.sleep(handOverPollMs);
    }
  }

  /** It takes leads again. */
  resume(): void {
    this.#options.gossiper.setYields(false);
  }
}
