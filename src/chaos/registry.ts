import type { ChaosDefinition } from './definition.ts';
import { stemedbMutants } from './stemedb/mutants.ts';
import { stemedbScenarios } from './stemedb/scenarios.ts';

/** What chaos can be made of, by the engine's name. */
export const chaosDefinitions: ReadonlyMap<string, ChaosDefinition> = new Map([
  ['stemedb', { engine: 'stemedb', scenarios: stemedbScenarios, mutants: stemedbMutants, mutantSeedsMax: 200 }],
]);
