import type { Device } from '../../../sim/disk/device.ts';
import type { World } from '../../../sim/world.ts';

const readBytes = 4096;
/** Reads that they have under way at most: then they wait, as processes do. */
const inFlightMax = 64;

/**
 * Other processes that read from a disk at a steady rate, whatever the disk can do: on a quick one nobody notices them, on
 * a throttled one their requests queue up, and the log's with them.
 */
export function startNeighbours(world: World, device: Device, readsPerSecond: number): void {
  let inFlight = 0;
  device.observe(({ kind }) => {
    // What was under way is lost with the power, and never completes.
    if (kind === 'power-loss' || kind === 'wipe') inFlight = 0;
  });
  function read(): void {
    world.scheduler.after(1000 / readsPerSecond, 'neighbour', undefined, read);
    if (inFlight >= inFlightMax) return;
    inFlight++;
    device.queue.submit('read', readBytes, () => {
      inFlight--;
    });
  }
  read();
}
