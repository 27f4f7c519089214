import { type Address, type Connection, NetworkError, type NetworkErrorCode } from '../../host/network.ts';
import { asStand } from '../inside.ts';
import type { SimProcess } from '../process.ts';
import type { World } from '../world.ts';
import type { Links } from './links.ts';
import { HIGH_MARK_BYTES, Pipe } from './pipe.ts';
import type { PipeTap } from './tap.ts';

interface Pending<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** The two ends of a connection and what lies between them. */
export interface ConnectionPair {
  readonly client: SimConnection;
  readonly server: SimConnection;
}

/** One end of a connection. */
export class SimConnection implements Connection {
  readonly local: Address;
  readonly remote: Address;
  readonly closed: Promise<void>;
  readonly process: SimProcess;
  /** Nothing gets through, and nobody is told: a middlebox forgot the connection. */
  silent = false;
  readonly #world: World;
  readonly #settleClosed: () => void;
  readonly #forget: () => void;
  #peer: SimConnection | undefined;
  #out: Pipe | undefined;
  #in: Pipe | undefined;
  #reader: Pending<Uint8Array | undefined> | undefined;
  #writer: Pending<void> | undefined;
  #ender: Pending<void> | undefined;
  #readQueued = false;
  #broken: NetworkErrorCode | undefined;
  #over = false;
  #stranded = false;
  #tap: PipeTap | undefined;

  constructor(world: World, process: SimProcess, local: Address, remote: Address) {
    this.#world = world;
    this.process = process;
    this.local = local;
    this.remote = remote;
    const closed = asStand(() => Promise.withResolvers<void>());
    this.closed = closed.promise;
    this.#settleClosed = closed.resolve;
    this.#forget = process.onDeath(() => {
      // The kernel closes the sockets of the dead; without power there is no kernel.
      this.#finish('ECANCELED');
      if (process.machine.powered) this.#sendReset();
    });
  }

  /** Whether this end takes packets. */
  get gone(): boolean {
    return this.#over;
  }

  get peer(): SimConnection | undefined {
    return this.#peer;
  }

  /** Ties two ends together. */
  static join(world: World, links: Links, client: SimConnection, server: SimConnection): ConnectionPair {
    client.#attach(world, links, server);
    server.#attach(world, links, client);
    client.#in = server.#out;
    server.#in = client.#out;
    return { client, server };
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.#reader !== undefined) throw new Error('read: expected no read under way, the last one has not settled');
    if (this.#broken !== undefined) return Promise.reject(this.#error('read', this.#broken));
    const pipe = this.#in;
    if (pipe?.readable === true && !this.#readQueued) return this.#takeNow(pipe);
    if (pipe?.endArrived === true) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  #takeNow(pipe: Pipe): Promise<Uint8Array> {
    const bytes = pipe.take();
    this.#checkOver();
    return Promise.resolve(bytes);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#writer !== undefined) throw new Error('write: expected no write under way, the last one has not settled');
    if (this.#broken !== undefined) return Promise.reject(this.#error('write', this.#broken));
    const pipe = this.#out;
    if (pipe === undefined || pipe.ending) return Promise.reject(this.#error('write', 'EPIPE'));
    if (bytes.length === 0) return Promise.resolve();
    this.#tap?.sent(bytes);
    pipe.send(bytes);
    if (pipe.pendingBytes < HIGH_MARK_BYTES) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#writer = { resolve, reject };
    });
  }

  end(): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#error('end', this.#broken));
    const pipe = this.#out;
    if (pipe === undefined || pipe.endSent) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const earlier = this.#ender;
      this.#ender = {
        resolve: () => {
          earlier?.resolve();
          resolve();
        },
        reject: (error) => {
          earlier?.reject(error);
          reject(error);
        },
      };
      if (!pipe.ending) pipe.sendEnd();
    });
  }

  destroy(): void {
    if (this.#over) return;
    this.#finish('ECANCELED');
    this.#sendReset();
  }

  /** The connection broke: everybody who waits is told, by an event of the process. */
  break(code: NetworkErrorCode): void {
    this.#finish(code);
  }

  /** The connection was forgotten by its peer: the next packet from here is answered with a reset. */
  strand(): void {
    this.silent = false;
    this.#stranded = true;
  }

  #attach(world: World, links: Links, peer: SimConnection): void {
    this.#peer = peer;
    const here = this.process.machine;
    const there = peer.process.machine;
    const tap = world.network.tap?.open(here.name, there.name);
    this.#tap = tap;
    this.#out = new Pipe(world.scheduler, links.link(here.name, there.name), links.link(there.name, here.name), {
      farEnd: () => {
        if (this.silent || peer.silent || !there.powered) return 'silent';
        return peer.gone || peer.#stranded || this.#stranded ? 'gone' : 'open';
      },
      arrived: () => peer.#wakeReader(),
      drained: () => this.#wakeWriter(),
      reset: (both) => this.#wasReset(both),
      timedOut: () => this.break('ETIMEDOUT'),
      trace: (bytes) => {
        world.trace.io('net bytes', peer.process.traceName, bytes);
        tap?.arrived(bytes);
      },
    });
  }

  #wasReset(both: boolean): void {
    this.break('ECONNRESET');
    if (both) this.#peer?.break('ECONNRESET');
  }

  /** A reset behind everything that is under way. Nobody repeats it if it is lost. */
  #sendReset(): void {
    const peer = this.#peer;
    if (peer === undefined || peer.#over) return;
    const links = this.#world.network.links;
    const link = links.link(this.process.machine.name, peer.process.machine.name);
    const arriveMs = Math.max(this.#world.now + link.latencyMs(), this.#out?.lastArriveMs ?? 0);
    this.#world.scheduler.at(arriveMs, 'net reset', undefined, () => {
      if (link.blocked || this.silent || peer.silent || !peer.process.machine.powered) return;
      peer.break('ECONNRESET');
    });
  }

  #wakeReader(): void {
    if (this.#readQueued || this.#over) return;
    if (this.#reader === undefined) {
      this.#checkOver();
      return;
    }
    this.#readQueued = true;
    this.process.deliver('net read', () => {
      this.#readQueued = false;
      const reader = this.#reader;
      const pipe = this.#in;
      if (reader === undefined || pipe === undefined) return;
      if (pipe.readable) {
        this.#reader = undefined;
        reader.resolve(pipe.take());
      } else if (pipe.endArrived) {
        this.#reader = undefined;
        reader.resolve(undefined);
      }
      this.#checkOver();
    });
  }

  #wakeWriter(): void {
    const pipe = this.#out;
    if (pipe === undefined) return;
    const writer = this.#writer;
    if (writer !== undefined && pipe.pendingBytes < HIGH_MARK_BYTES) {
      this.#writer = undefined;
      this.process.deliver('net write', () => writer.resolve());
    }
    const ender = this.#ender;
    if (ender !== undefined && pipe.endSent) {
      this.#ender = undefined;
      this.process.deliver('net end', () => ender.resolve());
    }
    this.#checkOver();
  }

  /** Both directions have ended and been read: an orderly close. */
  #checkOver(): void {
    if (this.#over || this.#in?.endArrived !== true || this.#in.readable || this.#out?.endArrived !== true) return;
    this.#over = true;
    this.#forget();
    this.process.deliver('net closed', this.#settleClosed);
    const peer = this.#peer;
    if (peer !== undefined) peer.#checkOver();
  }

  #finish(code: NetworkErrorCode): void {
    if (this.#over) return;
    this.#over = true;
    this.#broken = code;
    this.#forget();
    this.#out?.abandon();
    this.#in?.discard();
    const waiting: readonly [Pending<never> | undefined, string][] = [
      [this.#reader, 'read'],
      [this.#writer, 'write'],
      [this.#ender, 'end'],
    ];
    this.#reader = undefined;
    this.#writer = undefined;
    this.#ender = undefined;
    this.process.deliver('net closed', () => {
      for (const [pending, operation] of waiting) pending?.reject(this.#error(operation, code));
      this.#settleClosed();
    });
  }

  #error(operation: string, code: NetworkErrorCode): NetworkError {
    return new NetworkError(code, operation, this.remote);
  }
}
