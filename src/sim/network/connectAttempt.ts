import { type Address, type Connection, type ConnectOptions, NetworkError } from '../../host/network.ts';
import type { ScheduledEvent } from '../eventHeap.ts';
import type { SimProcess } from '../process.ts';
import type { World } from '../world.ts';
import type { SimNetwork } from './network.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** A SYN without an answer is repeated after 1 s, then 2 s, 4 s and so on, as Linux does. */
const SYN_RETRY_MS = 1000;

/** Hosts that mean the machine itself. */
export const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

/** One call of `connect`: SYNs until one is answered, the time is up, or the caller gives up. */
export class ConnectAttempt {
  readonly #world: World;
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  readonly #address: Address;
  readonly #target: string;
  readonly #options: ConnectOptions;
  readonly #resolve: (connection: Connection) => void;
  readonly #reject: (error: unknown) => void;
  #timeout: ScheduledEvent | undefined;
  #syn: ScheduledEvent | undefined;
  #retryMs = SYN_RETRY_MS;
  #done = false;
  #settled = false;
  readonly #onAbort = (): void => this.#fail('ECANCELED');

  constructor(
    world: World,
    network: SimNetwork,
    process: SimProcess,
    address: Address,
    options: ConnectOptions,
    resolve: (connection: Connection) => void,
    reject: (error: unknown) => void,
  ) {
    this.#world = world;
    this.#network = network;
    this.#process = process;
    this.#address = address;
    this.#target = LOOPBACK.has(address.host) ? process.machine.name : address.host;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted) {
      this.#fail('ECANCELED');
      return;
    }
    if (!this.#world.machines.has(this.#target)) {
      this.#process.deliver('net connect', () => this.#fail('ENOTFOUND'));
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    const limitMs = timeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#timeout = this.#world.scheduler.after(limitMs, 'net connect timeout', this.#process, () =>
      this.#fail('ETIMEDOUT'),
    );
    this.#sendSyn();
  }

  #sendSyn(): void {
    const { scheduler } = this.#world;
    const there = this.#network.links.link(this.#process.machine.name, this.#target);
    const lost = there.random.chance(there.loss);
    scheduler.after(there.latencyMs(), 'net syn', undefined, () => {
      if (!lost && !there.blocked) this.#arrive();
    });
    this.#syn = scheduler.after(this.#retryMs, 'net syn again', undefined, () => {
      if (!this.#done && this.#process.alive) this.#sendSyn();
    });
    this.#retryMs *= 2;
  }

  /** The SYN is at the target's kernel. */
  #arrive(): void {
    if (this.#done || !this.#process.alive) return;
    const { scheduler, machines } = this.#world;
    const from = this.#process.machine.name;
    const there = this.#network.links.link(from, this.#target);
    const back = this.#network.links.link(this.#target, from);
    if (machines.get(this.#target)?.powered !== true || there.connect === 'hang') return;
    if (back.blocked || back.random.chance(back.loss)) return;
    const listener =
      there.connect === 'refuse' ? undefined : this.#network.listenerAt(this.#target, this.#address.port, from);
    const accepted = listener !== undefined && listener.waiting < listener.backlog;
    this.#done = true;
    if (this.#syn !== undefined) scheduler.cancel(this.#syn);
    const connection = accepted ? this.#network.establish(this.#process, listener, this.#address) : undefined;
    scheduler.after(back.latencyMs(), 'net syn answered', undefined, () => {
      this.#process.deliver('net connect', () => {
        if (this.#settled) {
          connection?.destroy();
        } else if (connection === undefined) {
          this.#fail('ECONNREFUSED');
        } else {
          this.#settle();
          this.#resolve(connection);
        }
      });
    });
  }

  #settle(): void {
    this.#settled = true;
    this.#done = true;
    if (this.#timeout !== undefined) this.#world.scheduler.cancel(this.#timeout);
    if (this.#syn !== undefined) this.#world.scheduler.cancel(this.#syn);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  #fail(code: 'ECANCELED' | 'ETIMEDOUT' | 'ECONNREFUSED' | 'ENOTFOUND'): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(new NetworkError(code, 'connect', this.#address));
  }
}
