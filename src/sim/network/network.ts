import {
  type Address,
  type Connection,
  type ConnectOptions,
  type Listener,
  type ListenOptions,
  type Network,
  NetworkError,
} from '../../host/network.ts';
import type { SimProcess } from '../process.ts';
import type { World } from '../world.ts';
import { ConnectAttempt, LOOPBACK } from './connectAttempt.ts';
import { SimConnection } from './connection.ts';
import { type LinkRule, Links } from './links.ts';
import type { NetworkTap } from './tap.ts';

const BACKLOG = 511;
/** First port given to a listener that asks for any, and to the near end of a connection. */
const FIRST_LISTENER_PORT = 20_000;
const FIRST_EPHEMERAL_PORT = 32_768;
const LAST_PORT = 65_535;

const EVERY_INTERFACE: ReadonlySet<string> = new Set(['0.0.0.0', '::', '*']);

/** A port on which a process listens. */
export interface OpenListener {
  readonly process: SimProcess;
  readonly onConnection: (connection: Connection) => void;
  readonly backlog: number;
  /** Only connections of the same machine. */
  readonly loopback: boolean;
  /** Accepted by the kernel, not yet handed over. */
  waiting: number;
}

/** The network of a world: byte streams between machines, over links that rules disturb. Addresses are machines' names. */
export class SimNetwork {
  readonly links: Links;
  /** Sees every connection that is established from now on; nothing when nobody watches. */
  tap: NetworkTap | undefined;
  readonly #world: World;
  /** By machine, then port. */
  readonly #listeners = new Map<string, Map<number, OpenListener>>();
  readonly #connections = new Set<SimConnection>();
  readonly #nextPort = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    this.links = new Links(world.random);
  }

  /** Puts a rule in force; returns how to lift it. */
  addRule(rule: LinkRule): () => void {
    return this.links.add(rule);
  }

  /** Both ends of every connection that is open. */
  get connections(): ReadonlySet<SimConnection> {
    for (const connection of this.#connections) if (connection.gone) this.#connections.delete(connection);
    return this.#connections;
  }

  /** Resets, at both ends and at once, the open connections that match. Returns how many. */
  resetConnections(matches: (from: string, to: string) => boolean): number {
    let count = 0;
    for (const end of [...this.connections]) {
      if (end.gone || !matches(end.process.machine.name, end.remote.host)) continue;
      const peer = end.peer;
      end.break('ECONNRESET');
      peer?.break('ECONNRESET');
      count++;
    }
    return count;
  }

  /** The network as one process sees it. */
  of(process: SimProcess): Network {
    return {
      listen: (address, onConnection, options) =>
        process.io('net listen', 0, () => this.#listen(process, address, onConnection, options)),
      connect: (address, options) => this.#connect(process, address, options ?? {}),
    };
  }

  #listen(
    process: SimProcess,
    address: Address,
    onConnection: (connection: Connection) => void,
    options: ListenOptions = {},
  ): Listener {
    const machine = process.machine.name;
    const loopback = LOOPBACK.has(address.host);
    if (!loopback && !EVERY_INTERFACE.has(address.host) && address.host !== machine) {
      throw new NetworkError('EADDRNOTAVAIL', 'listen', address);
    }
    let ports = this.#listeners.get(machine);
    if (ports === undefined) {
      ports = new Map();
      this.#listeners.set(machine, ports);
    }
    let port = address.port;
    if (port === 0) for (port = FIRST_LISTENER_PORT; ports.has(port); ) port++;
    if (ports.has(port)) throw new NetworkError('EADDRINUSE', 'listen', address);
    ports.set(port, { process, onConnection, backlog: options.backlog ?? BACKLOG, loopback, waiting: 0 });
    const close = (): void => {
      forget();
      ports.delete(port);
    };
    const forget = process.onDeath(close);
    return {
      address: { host: address.host, port },
      close: () => {
        if (ports.get(port)?.process === process) close();
        return Promise.resolve();
      },
    };
  }

  #connect(process: SimProcess, address: Address, options: ConnectOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const attempt = new ConnectAttempt(this.#world, this, process, address, options, resolve, reject);
      attempt.start();
    });
  }

  /** The listener that takes a connection to this port, if one does. */
  listenerAt(machine: string, port: number, from: string): OpenListener | undefined {
    const listener = this.#listeners.get(machine)?.get(port);
    return listener === undefined || (listener.loopback && from !== machine) ? undefined : listener;
  }

  /** Establishes a connection: the server's process is handed its end, the client's end is returned. */
  establish(client: SimProcess, listener: OpenListener, address: Address): SimConnection {
    const server = listener.process;
    const near: Address = { host: client.machine.name, port: this.#ephemeralPort(client.machine.name) };
    const far: Address = { host: server.machine.name, port: address.port };
    const clientEnd = new SimConnection(this.#world, client, near, far);
    const serverEnd = new SimConnection(this.#world, server, far, near);
    SimConnection.join(this.#world, this.links, clientEnd, serverEnd);
    this.#connections.add(clientEnd).add(serverEnd);
    listener.waiting++;
    server.deliver('net accept', () => {
      listener.waiting--;
      listener.onConnection(serverEnd);
    });
    if (this.#connections.size > 1024) void this.connections;
    return clientEnd;
  }

  #ephemeralPort(machine: string): number {
    const port = this.#nextPort.get(machine) ?? FIRST_EPHEMERAL_PORT;
    this.#nextPort.set(machine, port >= LAST_PORT ? FIRST_EPHEMERAL_PORT : port + 1);
    return port;
  }
}
