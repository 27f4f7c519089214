import { readFileSync } from 'node:fs';
import { faults } from '../faults/registry.ts';
import type { Vocabulary } from '../scenario/load.ts';
import { stands } from '../scenario/stands/registry.ts';

/** Where the package lies: `scenarios` and `alerts` are in it, beside the sources and beside `dist` alike. */
export const packageRoot: URL = new URL('../../', import.meta.url);

/** Everything that a scenario can speak of: the engines' stands, the faults, the rule files of the package. */
export function readVocabulary(): Vocabulary {
  return { stands, faults, rules: (stand) => readFileSync(new URL(stand.alertsFile, packageRoot), 'utf8') };
}
