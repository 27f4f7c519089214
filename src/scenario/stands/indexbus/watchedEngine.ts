import type { EngineDefinition } from '../../../engines/engine.ts';
import type { IndexbusConfig } from '../../../engines/indexbus/config.ts';
import { indexbus, type RunningIndexbus, startIndexbus } from '../../../engines/indexbus/engine.ts';
import type { Host } from '../../../host/host.ts';
import { asStand } from '../../../sim/inside.ts';

/** Who is told of the engine that was started with a host: entered by the stand when it decorates the host. */
const watches = new WeakMap<Host, (running: RunningIndexbus) => void>();

/** Has `started` told of the engine that a process with this host starts. */
export function watchStart(host: Host, started: (running: RunningIndexbus) => void): void {
  watches.set(host, started);
}

const watched: EngineDefinition<IndexbusConfig> = {
  ...indexbus,
  async start(host, config) {
    const running = await startIndexbus(host, config);
    const tell = watches.get(host);
    if (tell !== undefined) asStand(() => tell(running));
    return running;
  },
};

/** The engine, of which the stand is told when it starts. */
// Sound as in the engines' registry: a configuration that goes into `start` was parsed by this definition's schema.
export const watchedIndexBus = watched as EngineDefinition;
