import { hostname } from 'node:os';
import { type Bus, type BusOptions, openBus as openBusOn } from '../engines/indexbus/index.ts';
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
 * `attachTimeoutMs`, and what is wrong with the memory.
 *
 *     const bus = await openBus({ segment: 'bus' });
 *     const producer = await bus.producer();
 */
export function openBus(options: OpenBusOptions): Promise<Bus> {
  const { host = createRealHost({ name: hostname(), telemetry: { options: { level: 'error' } } }), ...rest } = options;
  return openBusOn({ ...rest, host });
}
