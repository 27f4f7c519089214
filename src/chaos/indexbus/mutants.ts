import { indexbusMutants as planted } from '../../engines/indexbus/mutants.ts';
import type { Mutant } from '../definition.ts';

/** The bugs that can be planted in the engine. */
export const indexBusMutants: readonly Mutant[] = planted;
