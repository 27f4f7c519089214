import type { EngineDefinition } from './engine.ts';
import { indexbus } from './indexbus/engine.ts';
import { stemedb } from './stemedb/engine.ts';
import { streambus } from './streambus/engine.ts';

/** Every engine, by name. */
export const engines: ReadonlyMap<string, EngineDefinition> = new Map(
  [erase(stemedb), erase(streambus), erase(indexbus)].map((engine) => [engine.name, engine]),
);

/**
 * An engine whose configuration's type is not known to the caller. Sound as long as a configuration that goes into
 * `start` or `server` was parsed by the `configSchema` of the same definition, which is the only way to get one.
 */
function erase<Config>(definition: EngineDefinition<Config>): EngineDefinition {
  return definition as EngineDefinition; // see above
}
