import type { Configuration } from './configuration.ts';
import { type AckedIndexes, jointCommitted } from './quorum.ts';
import type { Message, RaftId } from './types.ts';

/** Somebody's question for a read index. */
export interface ReadRequest {
  /** 0 or this member itself: answered by a ReadState. */
  readonly from: RaftId;
  readonly context: Uint8Array;
}

/** A question that waits until a quorum has confirmed that the leader still leads. */
interface PendingRead extends ReadRequest {
  /** The commit index when it was asked. */
  readonly index: number;
}

/** The question in a MsgReadIndex; undefined: it has none. */
export function readRequestOf(message: Message): ReadRequest | undefined {
  const [entry] = message.entries;
  if (entry === undefined || message.entries.length !== 1) return undefined;
  return { from: message.from, context: entry.data };
}

/**
 * Reads that wait for a leader to be confirmed (Raft thesis §6.4). They are numbered within a term; a heartbeat carries the
 * number of the newest, so one round confirms all that came before it.
 */
export class ReadOnly implements AckedIndexes {
  readonly #waiting: PendingRead[] = [];
  /** How many were confirmed before the first that waits. */
  #confirmed = 0;
  readonly #acks = new Map<RaftId, number>();

  get waiting(): number {
    return this.#waiting.length;
  }

  add(index: number, { from, context }: ReadRequest): void {
    this.#waiting.push({ index, from, context });
  }

  /** What a heartbeat has to carry; undefined when nothing waits. */
  heartbeatContext(): Uint8Array | undefined {
    if (this.#waiting.length === 0) return undefined;
    const context = new Uint8Array(8);
    new DataView(context.buffer).setFloat64(0, this.#newest);
    return context;
  }

  /** A member has answered a heartbeat with this context. False: not one of ours. */
  acknowledge(from: RaftId, context: Uint8Array): boolean {
    if (context.length !== 8) return false;
    const number = new DataView(context.buffer, context.byteOffset, 8).getFloat64(0);
    if (!Number.isSafeInteger(number) || number < 0 || number > this.#newest) return false;
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, number));
    return true;
  }

  ackedIndex(id: RaftId): number | undefined {
    return this.#acks.get(id);
  }

  /** Takes out the reads that a quorum has confirmed, oldest first. */
  takeConfirmed({ incoming, outgoing }: Configuration): readonly PendingRead[] {
    const confirmed = Math.min(jointCommitted(incoming, outgoing, this), this.#newest);
    if (confirmed <= this.#confirmed) return [];
    const reads = this.#waiting.splice(0, confirmed - this.#confirmed);
    this.#confirmed = confirmed;
    return reads;
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#confirmed = 0;
    this.#acks.clear();
  }

  get #newest(): number {
    return this.#confirmed + this.#waiting.length;
  }
}
