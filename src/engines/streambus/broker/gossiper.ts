import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Journal } from '../../../storage/journal/index.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import type { Gossip } from './gossip.ts';
import type { GroupReplica } from './groupReplica.ts';
import { gossipFrame } from './outbox.ts';
import type { Transport } from './transport.ts';

/** Everybody is told of all that this broker leads, so that a word that was lost is said again. */
const gossipEveryMs: Millis = 10_000;

/** What a gossiper works with. */
export interface GossiperOptions {
  readonly host: Host;
  readonly journal: Journal;
  readonly transport: Transport;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
}

/** Tells the other brokers what this one leads, where it has no vote, and whether it wants leads. */
export class Gossiper {
  readonly #options: GossiperOptions;
  readonly #newlyLed = new Set<GroupReplica>();
  #yields = false;
  #nextMs: Millis;

  constructor(options: GossiperOptions) {
    this.#options = options;
    this.#nextMs = options.host.clock.now() + gossipEveryMs;
  }

  /** This broker wants no leads. */
  get yields(): boolean {
    return this.#yields;
  }

  /** Whether this broker wants leads from now on; everybody is told. */
  setYields(yields: boolean): void {
    this.#yields = yields;
    this.#tellAll([]);
  }

  /** A replica leads, or does so no more: told when the turn ends. */
  leaderChanged(replica: GroupReplica): void {
    if (replica.serving) this.#newlyLed.add(replica);
  }

  /** A replica has lost its vote for a time, or has it again. */
  probationChanged(): void {
    this.#tellAll([]);
  }

  /** The turn's end. */
  flush(): void {
    if (this.#newlyLed.size > 0) this.#tellAll(this.#newlyLed);
    this.#newlyLed.clear();
  }

  /** A broker has just connected. */
  greet(broker: BrokerId): void {
    const led = this.#led();
    this.#options.transport.peer(broker)?.send(this.#frame(led));
  }

  tick(): void {
    const now = this.#options.host.clock.now();
    if (now < this.#nextMs) return;
    this.#nextMs = now + gossipEveryMs;
    this.#tellAll(this.#led());
  }

  #led(): readonly GroupReplica[] {
    return [...this.#options.replicas.values()].filter((replica) => replica.serving);
  }

  #tellAll(led: Gossip['led']): void {
    if (this.#options.host.telemetry.buggify('gossip lost')) return;
    const frame = this.#frame(led);
    for (const peer of this.#options.transport.peers) peer.send(frame);
  }

  #frame(led: Gossip['led']): Uint8Array {
    const onProbation = [...this.#options.replicas.values()].filter((replica) => replica.isOnProbation);
    const probation = onProbation.map(({ group }) => group);
    return gossipFrame({ yields: this.#yields, led, probation }, this.#options.journal.provenLsn);
  }
}
