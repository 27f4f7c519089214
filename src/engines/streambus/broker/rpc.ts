import type { BrokerId, GroupId } from '../ids.ts';

/** A request to another broker came to nothing. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  /**
   * `unreachable`: it was never sent. `lost`: it was sent and no answer came (connection lost, time-out): whether it was done is
   * open. `refused`: the other side answered with an error, whose code is `remoteCode`.
   */
  readonly reason: 'unreachable' | 'lost' | 'refused';
  readonly remoteCode: string | undefined;
  constructor(reason: RpcError['reason'], message: string, remoteCode?: string) {
    super(message);
    this.reason = reason;
    this.remoteCode = remoteCode;
  }
}

/** An error that a handler sends back to the caller: its code is stable. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface RpcOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** How long it waits for a connection where there is none; default 5,000, and never longer than `timeoutMs`. */
  readonly connectMs?: number;
  readonly signal?: AbortSignal;
}

export type RpcHandler = (body: Uint8Array, from: BrokerId, signal: AbortSignal) => Promise<Uint8Array>;

/** Requests between brokers, over the same connections as Raft's messages. Bounded: beyond it `call` rejects as unreachable. */
export interface Rpc {
  /**
   * Answers requests of this name. One handler a name. A call to oneself goes straight to it. `strangers`: also those of brokers that
   * belong to no cluster yet or have no incarnation; every other handler refuses them with `STRANGER`.
   */
  serve(name: string, handler: RpcHandler, options?: { readonly strangers?: boolean }): void;
  call(broker: BrokerId, name: string, body: Uint8Array, options?: RpcOptions): Promise<Uint8Array>;
  /**
   * Calls the leader of a group: waits for one to be known, asks again elsewhere when the answer is the refusal `NOT_LEADER`
   * or nothing was sent, until the time is up. After `lost` it gives up: the caller knows whether repeating is safe.
   */
  callLeader(group: GroupId, name: string, body: Uint8Array, options?: RpcOptions): Promise<Uint8Array>;
}
