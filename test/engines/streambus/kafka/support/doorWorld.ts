import { type DoorHooks, silentHooks } from '../../../../../src/engines/streambus/kafka/hooks.ts';
import { type KafkaListener, openKafkaListener } from '../../../../../src/engines/streambus/kafka/listener.ts';
import { streamBusPoints } from '../../../../../src/engines/streambus/points.ts';
import type { Host } from '../../../../../src/host/host.ts';
import { World, type WorldOptions } from '../../../../../src/sim/world.ts';
import { FakeServices } from './fakeServices.ts';
import { WireClient } from './wireClient.ts';

export interface DoorWorld {
  readonly world: World;
  readonly host: Host;
  readonly services: FakeServices;
  readonly listener: KafkaListener;
  readonly refused: string[];
  readonly errors: { readonly api: string; readonly code: number }[];
  connect(): Promise<WireClient>;
}

export interface DoorWorldOptions extends Partial<WorldOptions> {
  readonly config?: Record<string, unknown>;
  readonly toMs?: number;
  readonly hooks?: Partial<DoorHooks>;
}

/** Opens a door on simulated machine `broker` and runs `script` on machine `client`, in virtual time. Rejects when it throws. */
export async function withDoor(
  script: (door: DoorWorld) => Promise<void>,
  options: DoorWorldOptions = {},
): Promise<World> {
  const world = new World({ seed: 1, points: streamBusPoints, ...options });
  const refused: string[] = [];
  const errors: DoorWorld['errors'] = [];
  let opened: { services: FakeServices; listener: KafkaListener } | undefined;
  let isDone = false;
  let failure: unknown;
  world.addMachine('broker').start('broker', async (host) => {
    const services = new FakeServices(host, options.config);
    const hooks: DoorHooks = {
      ...silentHooks,
      refused: (reason) => refused.push(reason),
      requestFailed: (api, code) => errors.push({ api, code }),
      ...options.hooks,
    };
    const listener = await openKafkaListener(services, hooks, { host: 'broker', port: 9092 });
    opened = { services, listener };
  });
  world.addMachine('client').start('client', async (host) => {
    await host.clock.sleep(5);
    if (opened === undefined) throw new Error('the door did not open');
    const { services, listener } = opened;
    const connect = () => WireClient.open(host, { host: 'broker', port: 9092 });
    try {
      await script({ world, host, services, listener, refused, errors, connect });
      isDone = true;
    } catch (error) {
      failure = error;
    }
  });
  await world.run({ toMs: options.toMs ?? 600_000, until: () => isDone || failure !== undefined });
  if (failure !== undefined) throw failure;
  if (!isDone) throw new Error('the script did not come to its end within the time of the world');
  return world;
}
