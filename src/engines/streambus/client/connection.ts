import type { Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Address, Connection } from '../../../host/network.ts';
import { type ApiKey, apiOf } from '../../../wire/kafka/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../../wire/kafka/codec.ts';
import type { RequestInput, ResponseOutput } from '../../../wire/kafka/messages.ts';
import { FrameReader } from '../kafka/frameReader.ts';
import { ClientError } from './clientError.ts';
import type { ClientSettings } from './options.ts';

/** Versions of an API that the broker speaks. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export interface RequestOptions {
  /** The newest version to use; default the newest that both sides speak. */
  readonly maxVersion?: number;
  /** How long the answer may take; default the client's setting. */
  readonly timeoutMs?: number;
}

/** A request whose answer is awaited. */
interface Pending {
  readonly frame: readonly Uint8Array[];
  readonly name: string;
  /** False until its bytes were given to the network: it cannot have been received then. */
  isSent: boolean;
  readonly timer: Timer;
  /** True when no answer comes (acks=0). */
  readonly isOneWay: boolean;
  settle(frame: Uint8Array | undefined): void;
  fail(error: ClientError): void;
}

/** Frames smaller than this together are sent as one write. */
const joinedBytesMax = 65_536;

/**
 * One connection to one broker: requests go out in the order in which they were given, answers find their request by its
 * number. A broken connection, a late answer or an unreadable one ends it, and everything under way fails: `definite` what was
 * never given to the network, `indeterminate` the rest.
 */
export class BrokerConnection {
  readonly address: Address;
  readonly #host: Host;
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  #versions: ReadonlyMap<number, VersionRange> = new Map();
  /** Features that the cluster has switched on, with their level. */
  #features: ReadonlyMap<string, number> = new Map();
  #nextCorrelation = 1;
  readonly #pending = new Map<number, Pending>();
  #outgoing: Pending[] = [];
  #isWriting = false;
  readonly #waitingForRoom: (() => void)[] = [];
  #ended: ClientError | undefined;

  constructor(host: Host, connection: Connection, settings: ClientSettings) {
    this.#host = host;
    this.#connection = connection;
    this.#settings = settings;
    this.address = connection.remote;
    void this.#read();
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** What ApiVersions said; set once by the handshake. */
  setVersions(versions: ReadonlyMap<number, VersionRange>, features: ReadonlyMap<string, number>): void {
    this.#versions = versions;
    this.#features = features;
  }

  /** Level of a feature of the cluster; 0 when it is off or unknown. */
  feature(name: string): number {
    return this.#features.get(name) ?? 0;
  }

  /** The newest version of an API that both sides speak; undefined when there is none. */
  versionOf(apiKey: ApiKey, maxVersion = Number.POSITIVE_INFINITY): number | undefined {
    const ours = apiOf(apiKey);
    const theirs = this.#versions.get(apiKey);
    if (ours === undefined || theirs === undefined) return undefined;
    const version = Math.min(ours.max, theirs.max, maxVersion);
    return version < Math.max(ours.min, theirs.min) ? undefined : version;
  }

  /** Asks, in the newest version that both sides speak. Rejects with `ClientError`. */
  async request<K extends ApiKey>(
    apiKey: K,
    body: RequestInput<K>,
    options: RequestOptions = {},
  ): Promise<ResponseOutput<K>> {
    const version = this.versionOf(apiKey, options.maxVersion);
    if (version === undefined) {
      const name = apiOf(apiKey)?.name ?? `api ${apiKey}`;
      throw new ClientError(
        'UNSUPPORTED',
        'definite',
        `${name}: no version that this client and the broker both speak`,
      );
    }
    return await this.requestVersion(apiKey, version, body, options.timeoutMs);
  }

  /** Asks in one version, whatever the broker said. */
  async requestVersion<K extends ApiKey>(
    apiKey: K,
    version: number,
    body: RequestInput<K>,
    timeoutMs?: number,
  ): Promise<ResponseOutput<K>> {
    const frame = await this.exchange(apiKey, version, body, timeoutMs);
    return this.decode(apiKey, version, frame);
  }

  /** Reads an answer; one that cannot be read ends the connection. */
  decode<K extends ApiKey>(apiKey: K, version: number, frame: Uint8Array): ResponseOutput<K> {
    try {
      return decodeResponse(apiKey, version, frame);
    } catch (error) {
      const failure = new ClientError(
        'PROTOCOL',
        'indeterminate',
        `${this.#where()}: ${String(error)}`,
        undefined,
        error,
      );
      this.#end(failure);
      throw failure;
    }
  }

  /** Asks, and gives the answer's frame. */
  async exchange<K extends ApiKey>(
    apiKey: K,
    version: number,
    body: RequestInput<K>,
    timeoutMs?: number,
  ): Promise<Uint8Array> {
    const frame = await this.#submit(apiKey, version, body, timeoutMs, false);
    if (frame === undefined) throw new Error('an answer was expected');
    return frame;
  }

  /** Sends a request that has no answer. Resolves when its bytes were given to the network: nothing is known of its arrival. */
  async send<K extends ApiKey>(apiKey: K, body: RequestInput<K>, maxVersion?: number): Promise<void> {
    const version = this.versionOf(apiKey, maxVersion);
    if (version === undefined) throw new ClientError('UNSUPPORTED', 'definite', 'no version that both sides speak');
    await this.#submit(apiKey, version, body, undefined, true);
  }

  async #submit<K extends ApiKey>(
    apiKey: K,
    version: number,
    body: RequestInput<K>,
    timeoutMs: number | undefined,
    isOneWay: boolean,
  ): Promise<Uint8Array | undefined> {
    while (this.#ended === undefined && this.#pending.size >= this.#settings.inFlightMax) {
      await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    }
    if (this.#ended !== undefined) throw this.#failureOf(this.#ended, false);
    const correlation = this.#nextCorrelation;
    this.#nextCorrelation = correlation === 0x7fffffff ? 1 : correlation + 1;
    const frame = encodeRequest(apiKey, version, correlation, this.#settings.clientId, body);
    const name = apiOf(apiKey)?.name ?? `api ${apiKey}`;
    return await new Promise<Uint8Array | undefined>((resolve, reject) => {
      const pending: Pending = {
        frame,
        name,
        isSent: false,
        isOneWay,
        timer: this.#host.clock.timer(timeoutMs ?? this.#settings.requestTimeoutMs, () => this.#late(name)),
        settle: resolve,
        fail: reject,
      };
      this.#pending.set(correlation, pending);
      this.#outgoing.push(pending);
      if (!this.#isWriting) void this.#write();
    });
  }

  #late(name: string): void {
    this.#end(new ClientError('TIMEOUT', 'indeterminate', `${this.#where()}: no answer to ${name} in time`));
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#outgoing.length > 0 && this.#ended === undefined) {
        const batch = this.#outgoing;
        this.#outgoing = [];
        const pieces = batch.flatMap((pending) => pending.frame);
        for (const pending of batch) pending.isSent = true;
        const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
        for (const piece of total <= joinedBytesMax ? [Buffer.concat(pieces)] : pieces) {
          await this.#connection.write(piece);
        }
        for (const [correlation, pending] of this.#pending) {
          if (pending.isOneWay && pending.isSent) this.#settle(correlation, pending, undefined);
        }
      }
    } catch (error) {
      this.#end(this.#broken(error));
    } finally {
      this.#isWriting = false;
    }
  }

  async #read(): Promise<void> {
    const reader = new FrameReader({
      read: () => this.#connection.read(),
      minFrameBytes: () => 4,
      maxFrameBytes: () => this.#settings.responseBytesMax,
      reserve: () => true,
    });
    try {
      for (;;) {
        const frame = await reader.next();
        if (frame === undefined) throw new Error('closed by the broker');
        const correlation = correlationIdOf(frame);
        const pending = this.#pending.get(correlation);
        if (pending === undefined) throw new Error(`an answer to request ${correlation}, which is not under way`);
        this.#settle(correlation, pending, frame);
      }
    } catch (error) {
      this.#end(this.#broken(error));
    }
  }

  #settle(correlation: number, pending: Pending, frame: Uint8Array | undefined): void {
    this.#pending.delete(correlation);
    pending.timer.cancel();
    pending.settle(frame);
    this.#waitingForRoom.shift()?.();
  }

  #broken(error: unknown): ClientError {
    const why = error instanceof Error ? error.message : String(error);
    return new ClientError('CONNECTION', 'indeterminate', `${this.#where()}: ${why}`, undefined, error);
  }

  /** The connection's end as one request sees it. */
  #failureOf(error: ClientError, isSent: boolean): ClientError {
    if (isSent) return error;
    return new ClientError(error.code, 'definite', `${error.message} (the request was not sent)`, undefined, error);
  }

  #end(error: ClientError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#connection.destroy();
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.fail(this.#failureOf(error, pending.isSent));
    }
    this.#pending.clear();
    this.#outgoing = [];
    for (const wake of this.#waitingForRoom.splice(0)) wake();
  }

  #where(): string {
    return `broker ${this.address.host}:${this.address.port}`;
  }

  /** Drops the connection; what is under way fails. Idempotent. */
  close(): void {
    this.#end(new ClientError('CLOSED', 'indeterminate', `${this.#where()}: the client closed the connection`));
  }
}
