import { indexbusPoints } from '../../engines/indexbus/points.ts';
import type { ChaosOf } from '../definition.ts';
import { complete } from './complete.ts';
import { draws, type IndexBusDraw } from './draw.ts';
import { indexBusMutants } from './mutants.ts';
import { near } from './near.ts';
import { scenarioOf } from './scenarioOf.ts';

/** Chaos for indexbus. */
export const indexBusChaos: ChaosOf<IndexBusDraw> = {
  engine: 'indexbus',
  draws,
  scenarioOf,
  near,
  complete,
  points: indexbusPoints,
  mutants: indexBusMutants,
  mutantSeedsMax: 200,
};
