import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Address, Connection, TlsOptions } from '../../../host/network.ts';
import { MalformedBytes } from '../../../wire/rpc/bytes.ts';
import { FrameError } from '../../../wire/rpc/frames.ts';
import {
  HandshakeError,
  type HandshakeSelf,
  type Introduction,
  introduceOurselves,
  isSameIntroduction,
} from '../../../wire/rpc/handshake.ts';
import { decodeAnswer, decodeNumber, encodeNumber, encodeRequest, FrameKind } from '../../../wire/rpc/requests.ts';
import type { BrokerId } from '../ids.ts';
import { OutgoingBytes } from './connection.ts';
import { Echoes } from './echoes.ts';
import { RpcError, type RpcOptions } from './rpc.ts';

/** Waits before a connection is tried again: 50 ms, doubling to 1 s, each drawn from its upper half. */
const backOffFirstMs: Millis = 50;
const backOffMostMs: Millis = 1_000;
const connectTimeoutMs: Millis = 2_000;
/** Requests to one broker without an answer. */
const requestsMax = 4_096;
const requestTimeoutMs: Millis = 5_000;
/** How long a request waits for a connection. */
const connectWaitMs: Millis = 5_000;

/** What connections to peers share. */
export interface PeerContext {
  readonly host: Host;
  /** As of now: it changes when the broker is formatted or gets an incarnation. */
  readonly self: () => HandshakeSelf;
  readonly addressOf: (broker: BrokerId) => Address | undefined;
  readonly tls: () => TlsOptions | undefined;
  /** What is long goes out compressed. */
  readonly packs: boolean;
  /** A connection to it is there. */
  readonly onUp: (broker: BrokerId, peer: Introduction) => void;
  /** It was lost. */
  readonly onDown: (broker: BrokerId) => void;
}

interface PendingRequest {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: RpcError) => void;
  readonly done: () => void;
}

interface Up {
  readonly connection: Connection;
  readonly out: OutgoingBytes;
  readonly peer: Introduction;
  readonly echoes: Echoes;
}

/** This broker's one connection to another: Raft's messages and requests go out on it, answers come back. */
export class Peer {
  readonly broker: BrokerId;
  readonly #context: PeerContext;
  readonly #requests = new Map<number, PendingRequest>();
  readonly #upWaiters = new Set<() => void>();
  #up: Up | undefined;
  #connecting = false;
  #closed = false;
  #backOffMs = backOffFirstMs;
  #nextTryMs: Millis = 0;
  #lastRequest = 0;
  #lastError = 'not connected yet';
  /** The refusal that was logged last. */
  #refusal: string | undefined;

  constructor(context: PeerContext, broker: BrokerId) {
    this.#context = context;
    this.broker = broker;
  }

  /** Who answers at the other end; undefined while there is no connection. */
  get peer(): Introduction | undefined {
    return this.#up?.peer;
  }

  /** Bytes that have not been handed to the network yet. */
  get queuedBytes(): number {
    return this.#up?.out.queuedBytes ?? 0;
  }

  /** Why there was no connection at the last try. */
  get lastError(): string {
    return this.#lastError;
  }

  /** Called at each tick of the broker: connects when it is time to, and sees to it that a connection is alive. */
  tick(now: Millis): void {
    if (this.#closed) return;
    const up = this.#up;
    if (up === undefined) {
      if (!this.#connecting && now >= this.#nextTryMs) void this.#connect();
      return;
    }
    if (up.echoes.isSilent(now)) {
      this.#lose(up, `no sign of life within ${Math.round(up.echoes.patienceMs)} ms`);
      return;
    }
    const ping = up.echoes.pingAt(now, up.out.takenBytes);
    if (ping !== undefined) up.out.urge(encodeNumber(FrameKind.ping, ping));
  }

  /** Sends frames; false when there is no connection or it has too much to do. The bytes must not change any more. */
  send(frames: Uint8Array): boolean {
    return this.#up?.out.write(frames) ?? false;
  }

  /** Sends a request. Rejects with `RpcError`: what takes long to answer does not make a broker that is down worth waiting for. */
  async request(name: string, body: Uint8Array, options: RpcOptions = {}): Promise<Uint8Array> {
    const { clock } = this.#context.host;
    const deadline = clock.now() + (options.timeoutMs ?? requestTimeoutMs);
    const connectBy = Math.min(deadline, clock.now() + (options.connectMs ?? connectWaitMs));
    if (this.#up === undefined) await this.#untilUp(connectBy, options.signal);
    const up = this.#up;
    if (up === undefined) {
      throw new RpcError('unreachable', `broker ${this.broker} cannot be reached: ${this.#lastError}`);
    }
    if (this.#requests.size >= requestsMax) {
      throw new RpcError('unreachable', `broker ${this.broker} has ${requestsMax} requests to answer already`);
    }
    const id = this.#nextRequestId();
    return new Promise<Uint8Array>((resolve, reject) => {
      const give = (why: string) => {
        if (!this.#requests.delete(id)) return;
        timer.cancel();
        options.signal?.removeEventListener('abort', abort);
        this.send(encodeNumber(FrameKind.cancel, id));
        reject(new RpcError('lost', `${name} to broker ${this.broker}: ${why}`));
      };
      const abort = () => give('given up');
      const timer = clock.timer(Math.max(0, deadline - clock.now()), () => give('no answer in time'));
      const done = () => {
        timer.cancel();
        options.signal?.removeEventListener('abort', abort);
      };
      if (options.signal?.aborted === true || !up.out.write(encodeRequest({ id, name, body }))) {
        done();
        reject(new RpcError('unreachable', `${name} to broker ${this.broker}: not sent`));
        return;
      }
      options.signal?.addEventListener('abort', abort, { once: true });
      this.#requests.set(id, { resolve, reject, done });
    });
  }

  /** Drops the connection and makes a new one: the broker, or who we are, has changed. */
  reconnect(why: string): void {
    this.#backOffMs = backOffFirstMs;
    this.#nextTryMs = 0;
    if (this.#up !== undefined) this.#lose(this.#up, why);
    this.#nextTryMs = 0;
  }

  close(): void {
    this.#closed = true;
    if (this.#up !== undefined) this.#lose(this.#up, 'closed');
    for (const waiter of this.#upWaiters) waiter();
  }

  #untilUp(deadline: Millis, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#context.host;
    if (this.#closed || signal?.aborted === true) return Promise.resolve();
    this.tick(clock.now());
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#upWaiters.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = clock.timer(Math.max(0, deadline - clock.now()), done);
      this.#upWaiters.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  #nextRequestId(): number {
    do this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    while (this.#requests.has(this.#lastRequest));
    return this.#lastRequest;
  }

  async #connect(): Promise<void> {
    const { host, addressOf, tls, self, onUp } = this.#context;
    const address = addressOf(this.broker);
    if (address === undefined) return;
    this.#connecting = true;
    let connection: Connection | undefined;
    try {
      const timeoutMs = connectTimeoutMs;
      const certificates = tls();
      connection = await host.network.connect(
        address,
        certificates === undefined ? { timeoutMs } : { timeoutMs, tls: certificates },
      );
      const dropped = connection;
      const late = host.clock.timer(connectTimeoutMs, () => dropped.destroy());
      const own = self();
      const { peer, frames } = await introduceOurselves(connection, own, this.broker).finally(() => late.cancel());
      if (this.#closed) {
        connection.destroy();
        return;
      }
      if (!isSameIntroduction(own.introduction, self().introduction)) {
        // The other side would take everything that comes on this connection for that of whom it was told of.
        throw new HandshakeError('identity', 'this broker got another identity while it introduced itself');
      }
      const out = new OutgoingBytes(connection, () => this.#lose(up, 'the connection broke'), this.#context.packs);
      const up: Up = { connection, out, peer, echoes: new Echoes(host.clock.now()) };
      this.#up = up;
      this.#backOffMs = backOffFirstMs;
      this.#refusal = undefined;
      onUp(this.broker, peer);
      for (const waiter of [...this.#upWaiters]) waiter();
      void this.#readFrom(up, frames);
    } catch (error) {
      connection?.destroy();
      const message = error instanceof Error ? error.message : String(error);
      // Not at each try: who is refused by name stays so until somebody mends it. An own change of identity is over at the next one.
      if (error instanceof HandshakeError && error.code !== 'identity' && message !== this.#refusal) {
        this.#refusal = message;
        const { logger } = host.telemetry;
        logger.warn('no connection to a broker: it is refused', {
          broker: this.broker,
          code: error.code,
          error: message,
        });
      }
      this.#lastError = message;
      this.#retryLater();
    } finally {
      this.#connecting = false;
    }
  }

  async #readFrom(
    up: Up,
    frames: { each(onFrame: (kind: number, payload: Uint8Array) => void, between: () => void): Promise<void> },
  ): Promise<void> {
    try {
      await frames.each(
        (kind, payload) => this.#onFrame(up, kind, payload),
        () => up.echoes.heard(this.#context.host.clock.now()),
      );
      this.#lose(up, 'the other side ended the connection');
    } catch (error) {
      if (error instanceof FrameError || error instanceof MalformedBytes) {
        this.#context.host.telemetry.logger.warn('broker sent what is not of the protocol', {
          broker: this.broker,
          error: error.message,
        });
      }
      this.#lose(up, error instanceof Error ? error.message : String(error));
    }
  }

  #onFrame(up: Up, kind: number, payload: Uint8Array): void {
    if (kind === FrameKind.pong) {
      up.echoes.echoed(decodeNumber(payload));
      return;
    }
    if (kind !== FrameKind.answer) throw new FrameError(`a frame of kind ${kind} came where only answers come`);
    const answer = decodeAnswer(payload);
    const request = this.#requests.get(answer.id);
    if (request === undefined) return;
    this.#requests.delete(answer.id);
    request.done();
    if (answer.ok) request.resolve(answer.body);
    else request.reject(new RpcError('refused', answer.message, answer.code));
  }

  #lose(up: Up, why: string): void {
    if (this.#up !== up) return;
    this.#up = undefined;
    this.#lastError = why;
    up.connection.destroy();
    const lost = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of lost) {
      request.done();
      request.reject(new RpcError('lost', `broker ${this.broker}: ${why} before it answered`));
    }
    this.#retryLater();
    this.#context.onDown(this.broker);
  }

  #retryLater(): void {
    const { clock, random } = this.#context.host;
    this.#nextTryMs = clock.now() + this.#backOffMs * (0.5 + random.stream('backoff').float() / 2);
    this.#backOffMs = Math.min(backOffMostMs, 2 * this.#backOffMs);
  }
}
