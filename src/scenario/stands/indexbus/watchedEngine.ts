import type { DaemonServices, EngineDefinition } from '../../../engines/engine.ts';
import type { IndexbusConfig } from '../../../engines/indexbus/config.ts';
import { indexbus, type RunningIndexbus, startIndexbus } from '../../../engines/indexbus/engine.ts';
import type { Host } from '../../../host/host.ts';
import { asStand } from '../../../sim/inside.ts';

/** What the stand has for the engine that is started with a host. */
export interface StartWatch {
  /** What the machine tells of its processes. */
  readonly services: DaemonServices;
  /** Told of the engine once it has started. */
  readonly started: (running: RunningIndexbus) => void;
}

/** By the host: entered by the stand when it decorates it. */
const watches = new WeakMap<Host, StartWatch>();

/** Gives the engine that a process with this host starts its services, and has the stand told of it. */
export function watchStart(host: Host, watch: StartWatch): void {
  watches.set(host, watch);
}

const watched: EngineDefinition<IndexbusConfig> = {
  ...indexbus,
  async start(host, config) {
    const watch = watches.get(host);
    const running = await startIndexbus(host, config, watch?.services);
    if (watch !== undefined) asStand(() => watch.started(running));
    return running;
  },
};

/** The engine, of which the stand is told when it starts. */
// Sound as in the engines' registry: a configuration that goes into `start` was parsed by this definition's schema.
export const watchedIndexBus = watched as EngineDefinition;
