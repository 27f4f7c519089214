import type { Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Address, TlsOptions } from '../../../host/network.ts';
import { HandshakeError, type HandshakeSelf, type Introduction } from '../../../wire/rpc/handshake.ts';
import type { BrokerId, GroupId, Incarnation } from '../ids.ts';
import { Inbound } from './inbound.ts';
import { JournalEnds } from './journalEnds.ts';
import { KnownStarts } from './knownStarts.ts';
import { Peer } from './peer.ts';
import { type Rpc, RpcError, type RpcHandler, type RpcOptions, RpcRefusal } from './rpc.ts';

/** Between two ticks while no groups run. */
const ownTickMs = 100;
/** How long `callLeader` waits before it asks again. */
const askAgainMs = 50;
const callTimeoutMs = 5_000;
/** How long it waits for a connection to one that leads by hearsay. */
const connectWaitMs = 300;

/** What the transport is told at its start. */
export interface TransportOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  /** Read at each connection. Undefined: brokers believe each other. */
  readonly secret: () => Uint8Array | undefined;
  /** `network.compression`: what is long goes out compressed; what comes in is understood either way. Default false. */
  readonly packs?: boolean;
  /** Where a broker's RPC is, by configuration and metadata. */
  readonly addressOf: (broker: BrokerId) => Address | undefined;
  /** The incarnation that a broker has by the metadata here: an older one is not listened to. Undefined: not known. */
  readonly incarnationOf: (broker: BrokerId) => Incarnation | undefined;
}

/** What the groups' runtime hears of the network. */
export interface TransportListener {
  onFrame(kind: number, payload: Uint8Array, from: Introduction): void;
  /** The frames of one read have been given. */
  onRead(): void;
  onUp(broker: BrokerId): void;
  onDown(broker: BrokerId): void;
  onNewProcess(broker: BrokerId): void;
  onFenced(reason: string): void;
}

/** Everything between brokers: one connection to each, those that the others made, requests and answers. */
export class Transport implements Rpc {
  readonly broker: BrokerId;
  /** What the other brokers have told of their journals. */
  readonly journalEnds = new JournalEnds();
  /** What is known of their starts. */
  readonly knownStarts = new KnownStarts();
  readonly #options: TransportOptions;
  readonly #inbound: Inbound;
  readonly #peers = new Map<BrokerId, Peer>();
  readonly #handlers = new Map<string, { handler: RpcHandler; strangers: boolean }>();
  #identity: Introduction;
  #listener: TransportListener | undefined;
  #closed = false;
  #ownTick: Timer | undefined;
  /** Certificates of this side; set before `listen`. Default: none. */
  tls: TlsOptions | undefined;
  /** Set once groups run: who leads a group. */
  leaderOf: (group: GroupId) => BrokerId | undefined = () => undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.broker = options.broker;
    this.#identity = { cluster: '', broker: options.broker, incarnation: 0, startCount: 0 };
    this.#inbound = new Inbound({
      host: options.host,
      self: () => this.#self(),
      tls: () => this.tls,
      packs: options.packs ?? false,
      starts: this.knownStarts,
      handlerOf: (name) => this.#handlers.get(name),
      judge: (peer) => this.#judge(peer),
      onFrame: (kind, payload, from) => this.#listener?.onFrame(kind, payload, from),
      onRead: () => this.#listener?.onRead(),
      onNewProcess: (broker) => this.#listener?.onNewProcess(broker),
      onFenced: (reason) => this.#listener?.onFenced(reason),
    });
  }

  /** Begins to accept connections, and to tick by itself until somebody else does. Rejects with `NetworkError`. */
  async listen(address: Address): Promise<Address> {
    const bound = await this.#inbound.listen(address);
    this.#tickAlone();
    return bound;
  }

  #tickAlone(): void {
    this.#ownTick = this.#options.host.clock.timer(ownTickMs, () => {
      if (this.#listener !== undefined || this.#closed) return;
      this.tick();
      this.#tickAlone();
    });
  }

  /** Who this broker is from now on. Whoever knew it otherwise introduces himself again. */
  identify(identity: Omit<Introduction, 'broker'>): void {
    const { cluster, incarnation, startCount } = this.#identity;
    const isSame =
      cluster === identity.cluster && incarnation === identity.incarnation && startCount === identity.startCount;
    this.#identity = { ...identity, broker: this.broker };
    if (isSame) return;
    this.#inbound.dropAll();
    for (const peer of this.#peers.values()) peer.reconnect('this broker has another identity now');
  }

  get identity(): Introduction {
    return this.#identity;
  }

  attach(listener: TransportListener): void {
    this.#listener = listener;
  }

  /** The connection to a broker; made when first asked for. Undefined for oneself. */
  peer(broker: BrokerId): Peer | undefined {
    if (broker === this.broker || this.#closed) return undefined;
    let peer = this.#peers.get(broker);
    if (peer === undefined) {
      const { host, addressOf } = this.#options;
      peer = new Peer(
        {
          host,
          self: () => this.#self(),
          addressOf,
          tls: () => this.tls,
          packs: this.#options.packs ?? false,
          onUp: (up) => this.#listener?.onUp(up),
          onDown: (down) => this.#listener?.onDown(down),
        },
        broker,
      );
      this.#peers.set(broker, peer);
    }
    return peer;
  }

  /** The peers that there are. */
  get peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** Called at each tick: connects, pings. */
  tick(): void {
    const now = this.#options.host.clock.now();
    for (const peer of this.#peers.values()) peer.tick(now);
  }

  serve(name: string, handler: RpcHandler, options?: { readonly strangers?: boolean }): void {
    if (this.#handlers.has(name)) throw new Error(`${name} is answered by somebody already`);
    this.#handlers.set(name, { handler, strangers: options?.strangers ?? false });
  }

  call(broker: BrokerId, name: string, body: Uint8Array, options?: RpcOptions): Promise<Uint8Array> {
    if (broker === this.broker) return this.#callSelf(name, body, options);
    const peer = this.peer(broker);
    if (peer === undefined) return Promise.reject(new RpcError('unreachable', 'this broker is stopping'));
    return peer.request(name, body, options);
  }

  async callLeader(group: GroupId, name: string, body: Uint8Array, options: RpcOptions = {}): Promise<Uint8Array> {
    const { clock } = this.#options.host;
    const deadline = clock.now() + (options.timeoutMs ?? callTimeoutMs);
    let last = new RpcError('unreachable', `nobody is known to lead group ${group}`);
    for (;;) {
      const leader = this.leaderOf(group);
      if (leader !== undefined) {
        try {
          const timeoutMs = Math.max(1, deadline - clock.now());
          return await this.#callSoon(leader, name, body, { ...options, timeoutMs });
        } catch (error) {
          if (!(error instanceof RpcError)) throw error;
          const isElsewhere =
            error.reason === 'unreachable' || (error.reason === 'refused' && error.remoteCode === 'NOT_LEADER');
          if (!isElsewhere) throw error;
          last = error;
        }
      }
      if (clock.now() + askAgainMs >= deadline || this.#closed || options.signal?.aborted === true) throw last;
      await clock.sleep(askAgainMs);
    }
  }

  /** A leader that cannot be reached has probably a successor soon: there is no sense in waiting for it alone. */
  #callSoon(broker: BrokerId, name: string, body: Uint8Array, options: RpcOptions): Promise<Uint8Array> {
    const peer = this.peer(broker);
    if (peer === undefined) return this.call(broker, name, body, options);
    return peer.request(name, body, { ...options, connectMs: connectWaitMs });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ownTick?.cancel();
    for (const peer of this.#peers.values()) peer.close();
    await this.#inbound.close();
  }

  async #callSelf(name: string, body: Uint8Array, options: RpcOptions | undefined): Promise<Uint8Array> {
    const served = this.#handlers.get(name);
    if (served === undefined) throw new RpcError('refused', `nobody answers ${name} here`, 'UNKNOWN');
    const { host } = this.#options;
    const timeoutMs = options?.timeoutMs ?? callTimeoutMs;
    const enough = new AbortController();
    const given = options?.signal;
    const abort = () => enough.abort();
    given?.addEventListener('abort', abort, { once: true });
    const { promise: late, reject } = Promise.withResolvers<never>();
    late.catch(() => undefined);
    const timer = host.clock.timer(timeoutMs, () => reject(new RpcError('lost', `${name}: no answer in time`)));
    try {
      return await Promise.race([served.handler(body, this.broker, enough.signal), late]);
    } catch (error) {
      if (error instanceof RpcRefusal) throw new RpcError('refused', error.message, error.code);
      throw error;
    } finally {
      timer.cancel();
      given?.removeEventListener('abort', abort);
      enough.abort();
    }
  }

  /** By the metadata here the broker has a later incarnation: this one is not listened to any more. */
  isFenced(broker: BrokerId, incarnation: Incarnation): boolean {
    const current = this.#options.incarnationOf(broker);
    return current !== undefined && incarnation < current;
  }

  #judge(peer: Introduction): HandshakeError | undefined {
    const current = this.#options.incarnationOf(peer.broker);
    if (current === undefined || peer.incarnation === 0 || peer.incarnation >= current) return undefined;
    return new HandshakeError(
      'fenced',
      `incarnation ${peer.incarnation} of broker ${peer.broker} was replaced by ${current}`,
    );
  }

  #self(): HandshakeSelf {
    return {
      introduction: this.#identity,
      secret: this.#options.secret(),
      nonce: () => this.#options.host.random.stream('nonce').bytes(16),
    };
  }
}
