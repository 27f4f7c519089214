import { hostname } from 'node:os';
import { type Bus, type BusOptions, openBus as openBusOn } from '../engines/indexbus/index.ts';
import { checkBusOptions } from '../engines/indexbus/optionChecks.ts';
import type { Host } from '../host/host.ts';
import { createRealHost } from '../real/host.ts';

export * from '../engines/indexbus/index.ts';

/** What `openBus` takes of a program that lives on this machine. */
export interface OpenBusOptions extends Omit<BusOptions, 'host'> {
  /** Default this machine's own, which logs nothing below `error`. */
  readonly host?: Host;
}

/**
 * Attaches this process to the bus of a segment whose router runs on this machine. Rejects with `BusError`: IB_NO_SEGMENT, IB_NO_ROUTER after
 * `attachTimeoutMs`, IB_BAD_CONFIG, and what is wrong with the memory. An open bus keeps its process running until `close`.
 *
 *     const bus = await openBus({ segment: 'bus' });
 *     const producer = await bus.producer();
 */
export async function openBus(options: OpenBusOptions): Promise<Bus> {
  // Before a host is made for what opens nothing.
  checkBusOptions(options);
  const { host = createRealHost({ name: hostname(), telemetry: { options: { level: 'error' } } }), ...rest } = options;
  return await openBusOn({ ...rest, host });
}
