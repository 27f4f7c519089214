import { streamBusPoints } from '../../engines/streambus/points.ts';
import type { ChaosOf } from '../definition.ts';
import { complete } from './complete.ts';
import { draws, type StreamBusDraw } from './draw.ts';
import { streamBusMutants } from './mutants.ts';
import { near } from './near.ts';
import { scenarioOf } from './scenarioOf.ts';

/** Chaos for streambus. */
export const streamBusChaos: ChaosOf<StreamBusDraw> = {
  engine: 'streambus',
  draws,
  scenarioOf,
  near,
  complete,
  points: streamBusPoints,
  mutants: streamBusMutants,
  mutantSeedsMax: 300,
};
