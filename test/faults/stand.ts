import type { Heal } from '../../src/faults/fault.ts';
import { parseFault } from '../../src/faults/registry.ts';
import type { Host } from '../../src/host/host.ts';
import type { Connection } from '../../src/host/network.ts';
import { World } from '../../src/sim/world.ts';

/** Applies a fault by name to machines of a world, the way a scenario does. */
export function applyFault(world: World, name: string, raw: unknown, targets: readonly string[]): Heal | undefined {
  const { definition, parameters } = parseFault(name, raw);
  return definition.apply({ world, targets }, parameters);
}

/** A world of idle machines, each with a process, and their hosts by name. */
export async function machines(
  names: readonly string[],
  seed = 1,
): Promise<{ world: World; hosts: Record<string, Host> }> {
  const world = new World({ seed });
  const hosts: Record<string, Host> = {};
  for (const name of names) {
    world.addMachine(name).start('idle', (host) => {
      hosts[name] = host;
    });
  }
  await world.run({ toMs: 1 });
  return { world, hosts };
}

/** What became of a promise, and when in virtual time. */
export interface Outcome<T> {
  value?: T;
  code?: string;
  atMs?: number;
}

/** Watches a promise: the outcome fills when it settles. */
export function watch<T>(world: World, promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = {};
  promise.then(
    (value) => {
      outcome.value = value;
      outcome.atMs = world.now;
    },
    (error: unknown) => {
      outcome.code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      outcome.atMs = world.now;
    },
  );
  return outcome;
}

/** A connection from one machine to another, both ends. */
export async function connected(
  world: World,
  client: Host,
  server: Host,
  port = 80,
): Promise<{ near: Connection; far: Connection }> {
  let far: Connection | undefined;
  let near: Connection | undefined;
  void server.network
    .listen({ host: server.name, port }, (connection) => {
      far = connection;
    })
    .then(() => client.network.connect({ host: server.name, port }))
    .then((connection) => {
      near = connection;
    });
  await world.run({ until: () => near !== undefined && far !== undefined, toMs: world.now + 60_000 });
  if (near === undefined || far === undefined) throw new Error('expected a connection within a minute');
  return { near, far };
}
