import { indexBusStand } from './indexbus/stand.ts';
import type { Stand } from './stand.ts';
import { stemedbStand } from './stemedb/stand.ts';
import { streamBusStand } from './streambus/stand.ts';

/** Stands by the engine's name, as `engine:` of a scenario has it. */
export const stands: ReadonlyMap<string, Stand> = new Map(
  [stemedbStand, streamBusStand, indexBusStand].map((stand) => [stand.engine.name, stand]),
);
