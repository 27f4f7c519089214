import { type Bus, openBus } from '../../../engines/indexbus/bus.ts';
import { BusError } from '../../../engines/indexbus/errors.ts';
import type { Host } from '../../../host/host.ts';

/** How long one that changes its mind waits for its seat, at most: a router lets it in within one or two polls. */
const patienceMsMax = 20;

/**
 * With this probability opens a bus, asks for a seat, and closes the bus without waiting for the seat: who was on the way in has to be out of it
 * again. Throws what has nothing to do with that.
 */
export async function changeMind(
  host: Host,
  segments: readonly string[],
  probability: number,
  join: (bus: Bus) => Promise<unknown>,
): Promise<void> {
  if (probability === 0) return;
  const random = host.random.stream('changes its mind');
  if (!random.chance(probability)) return;
  const bus = await openBus({ host, segments });
  const joined = join(bus).then(
    () => undefined,
    (error: unknown) => error,
  );
  await host.clock.sleep(random.float() * patienceMsMax);
  await bus.close();
  const refused = await joined;
  if (refused !== undefined && !(refused instanceof BusError)) throw refused;
}
