import { stemedb } from '../../engines/stemedb/engine.ts';
import type { ChaosOf } from '../definition.ts';
import { complete } from './complete.ts';
import { draws, type StemeDraw } from './draw.ts';
import { stemedbMutants } from './mutants.ts';
import { near } from './near.ts';
import { scenarioOf } from './scenarioOf.ts';

/** Chaos for stemedb. */
export const stemedbChaos: ChaosOf<StemeDraw> = {
  engine: 'stemedb',
  draws,
  scenarioOf,
  near,
  complete,
  points: stemedb.points,
  mutants: stemedbMutants,
  mutantSeedsMax: 200,
};
