import type { EngineDefinition } from '../../../engines/engine.ts';
import type { GroupObserver } from '../../../engines/streambus/broker/observer.ts';
import type { StreamBusConfig } from '../../../engines/streambus/config.ts';
import { type RunningStreamBus, startStreamBus, streambus } from '../../../engines/streambus/engine.ts';
import type { Host } from '../../../host/host.ts';
import { asStand } from '../../../sim/inside.ts';

/** Who is told of one process. */
export interface ProcessWatch {
  readonly observer: GroupObserver;
  /** The engine has started; its routes answer from now on. */
  readonly started: (running: RunningStreamBus) => void;
}

/** Which watch belongs to the host that a process was given: entered by the stand when it decorates the host. */
const watches = new WeakMap<Host, ProcessWatch>();

/** Has the process with this host told to `watch`. */
export function watchProcess(host: Host, watch: ProcessWatch): void {
  watches.set(host, watch);
}

const watched: EngineDefinition<StreamBusConfig> = {
  ...streambus,
  async start(host, config) {
    const watch = watches.get(host);
    if (watch === undefined) return streambus.start(host, config);
    const running = await startStreamBus(host, config, { observer: watch.observer });
    asStand(() => watch.started(running));
    return running;
  },
};

/** The engine, whose groups are watched where the stand has asked for it. */
// Sound as in the engines' registry: a configuration that goes into `start` was parsed by this definition's schema.
export const watchedStreamBus = watched as EngineDefinition;
