import { createClient, type StreamBusClient } from '../../../../src/engines/streambus/client/client.ts';
import type { ClientOptions } from '../../../../src/engines/streambus/client/options.ts';
import { type StreamBusConfig, streamBusConfigSchema } from '../../../../src/engines/streambus/config.ts';
import { streamBusPoints } from '../../../../src/engines/streambus/points.ts';
import { createStreamBus, type StreamBus } from '../../../../src/engines/streambus/streambus.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World, type WorldOptions } from '../../../../src/sim/world.ts';

/** Whole brokers on simulated machines `b1`, `b2` … and a client on machine `client`. */
export interface Brokers {
  readonly world: World;
  /** The client's machine. */
  readonly host: Host;
  readonly bootstrap: ClientOptions['bootstrap'];
  /** The running broker of this number, from 1. */
  broker(number: number): StreamBus;
  /** A client that knows all brokers. */
  connect(options?: Partial<ClientOptions>): StreamBusClient;
  /** Ends the process of a broker at once. */
  kill(number: number): void;
  /** Starts the process of a broker anew, on its disk. */
  start(number: number): void;
}

export interface BrokersOptions extends Partial<WorldOptions> {
  /** Default 1. */
  readonly brokers?: number;
  /** Laid over the configuration of every broker. */
  readonly config?: Record<string, Record<string, unknown>>;
  /** Virtual time within which the script must end. Default 10 minutes. */
  readonly toMs?: number;
}

function configOf(number: number, count: number, over: Record<string, Record<string, unknown>>): StreamBusConfig {
  const base: Record<string, Record<string, unknown>> = {
    server: { broker_id: number, host: `b${number}`, advertised_host: `b${number}` },
    cluster: { peers: Array.from({ length: count }, (_, n) => `${n + 1}:b${n + 1}:9093`) },
    security: { inter_broker: {}, admin: { allow_anonymous: true } },
    consumer_groups: { initial_delay: 100 },
  };
  for (const [section, values] of Object.entries(over)) base[section] = { ...base[section], ...values };
  return streamBusConfigSchema.parse(base);
}

/** Starts brokers and runs `script` on the client's machine, in virtual time. Rejects when the script does. */
export async function withBrokers(
  script: (brokers: Brokers) => Promise<void>,
  options: BrokersOptions = {},
): Promise<World> {
  const count = options.brokers ?? 1;
  const world = new World({ seed: 1, points: streamBusPoints, ...options });
  const running = new Map<number, StreamBus>();
  const machines = Array.from({ length: count }, (_, n) => world.addMachine(`b${n + 1}`));
  const start = (number: number): void => {
    machines[number - 1]?.start('broker', async (host) => {
      const bus = createStreamBus(host, configOf(number, count, options.config ?? {}));
      running.set(number, bus);
      await bus.start();
      await bus.stopped;
    });
  };
  for (let number = 1; number <= count; number++) start(number);
  let isDone = false;
  let failure: unknown;
  world.addMachine('client').start('client', async (host) => {
    const bootstrap = machines.map(({ name }) => ({ host: name, port: 9092 }));
    const clients: StreamBusClient[] = [];
    try {
      await script({
        world,
        host,
        bootstrap,
        broker(number) {
          const bus = running.get(number);
          if (bus === undefined) throw new Error(`broker ${number} does not run`);
          return bus;
        },
        connect(more = {}) {
          const client = createClient(host, { bootstrap, ...more });
          clients.push(client);
          return client;
        },
        kill: (number) => machines[number - 1]?.kill(),
        start,
      });
      isDone = true;
    } catch (error) {
      failure = error;
    } finally {
      for (const client of clients) client.close();
    }
  });
  await world.run({ toMs: options.toMs ?? 600_000, until: () => isDone || failure !== undefined });
  if (failure !== undefined) throw failure;
  if (!isDone) throw new Error('the script did not come to its end within the time of the world');
  return world;
}
