import type { Message, RaftId } from '../../../consensus/types.ts';
import type { Millis } from '../../../host/clock.ts';
import type { ReplicaBody } from './replicaBody.ts';

/** What a leader has heard of the other members, and what they need not be told. */
export class Followers {
  readonly #body: ReplicaBody;
  /** When each member was last heard of. */
  readonly #heard = new Map<RaftId, Millis>();
  /** Members that have answered a heartbeat since the last MsgApp to them: the next one, be it empty, asks how far they are. */
  readonly #answered = new Set<RaftId>();

  constructor(body: ReplicaBody) {
    this.#body = body;
  }

  /** A message of another member was taken. */
  heard(message: Message): void {
    if (this.#body.node.state === 'leader') this.#heard.set(message.from, this.#body.context.host.clock.now());
    if (message.type === 'MsgHeartbeatResp') this.#answered.add(message.from);
  }

  /** Members heard of within `ms`. */
  heardWithin(ms: Millis): readonly RaftId[] {
    const since = this.#body.context.host.clock.now() - ms;
    return [...this.#heard].filter(([, atMs]) => atMs >= since).map(([id]) => id);
  }

  /** Whether a message is worth being sent; one that is counts as sent. */
  takes(message: Message): boolean {
    if (message.type !== 'MsgApp') return true;
    if (this.#isOnlyCommit(message)) return false;
    this.#answered.delete(message.to);
    return true;
  }

  /** The lead is lost. */
  forget(): void {
    this.#heard.clear();
    this.#answered.clear();
  }

  /**
   * A message that tells a follower of nothing but a commit: the next entries tell it too, and so does the next heartbeat. It would
   * double the messages of a batch, for a follower that nobody reads from. The metadata is read everywhere.
   *
   * Not so one that follows the answer to a heartbeat: it asks for an acknowledgement that was lost. Nor one during a change of the
   * members: who is removed by it hears of its commit now or never.
   */
  #isOnlyCommit({ entries, to }: Message): boolean {
    if (entries.length > 0 || this.#body.spec.kind === 'meta' || this.#answered.has(to)) return false;
    const { node } = this.#body;
    return node.mayChangeConfiguration && node.progressState(to) === 'replicate';
  }
}
