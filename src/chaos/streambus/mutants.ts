import { streamBusMutants as planted } from '../../engines/streambus/mutants.ts';
import type { Mutant } from '../definition.ts';

/** The bugs that can be planted in the engine. Each must be seen by a check. */
export const streamBusMutants: readonly Mutant[] = planted;
