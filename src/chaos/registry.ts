import { type ChaosDefinition, eraseDraw } from './definition.ts';
import { indexBusChaos } from './indexbus/chaos.ts';
import { stemedbChaos } from './stemedb/chaos.ts';
import { streamBusChaos } from './streambus/chaos.ts';

/** What chaos can be made of, by the engine's name. */
export const chaosDefinitions: ReadonlyMap<string, ChaosDefinition> = new Map(
  [eraseDraw(stemedbChaos), eraseDraw(streamBusChaos), eraseDraw(indexBusChaos)].map((definition) => [
    definition.engine,
    definition,
  ]),
);
