import type { Host } from '../../src/host/host.ts';
import { World, type WorldOptions } from '../../src/sim/world.ts';

/** Runs a body as code of a process of a new world, on machine `a` beside a machine `b`, until it has settled. */
export async function inSimulation(
  body: (here: Host, there: Host, world: World) => Promise<void>,
  options: Partial<WorldOptions> = {},
): Promise<World> {
  const world = new World({ seed: 1, ...options });
  const there = world.addMachine('b').start('peer', () => {});
  let settled = false;
  let failure: unknown;
  world.addMachine('a').start('body', async (host) => {
    try {
      await body(host, there.host, world);
    } catch (error) {
      failure = error;
    }
    settled = true;
  });
  await world.run({ until: () => settled, toMs: 3_600_000 });
  if (failure !== undefined) throw failure;
  if (!settled) throw new Error('the body has not settled after an hour of virtual time');
  return world;
}
