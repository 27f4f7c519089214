import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearestWord } from '../host/nearest.ts';
import { UsageError } from './exit.ts';
import { scenarioFiles } from './scenarios.ts';
import { packageRoot } from './vocabulary.ts';

/**
 * Finds a scenario and reads it: a path from the working directory, or else one in the package, or else the name of one of
 * the package's own (`slow-fsync`).
 *
 * @throws UsageError if there is no such file; it names the nearest of the package's own
 */
export function readScenario(wanted: string): { readonly file: string; readonly text: string } {
  const file = findScenario(wanted);
  if (statSync(file).isDirectory())
    throw new UsageError(`expected a scenario file, got the directory ${file}; name a file in it`);
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function findScenario(wanted: string): string {
  if (existsSync(wanted)) return wanted;
  const inPackage = fileURLToPath(new URL(encodeURI(wanted), packageRoot));
  if (/\.ya?ml$/.test(wanted) && existsSync(inPackage)) return inPackage;
  const byName = new Map(scenarioFiles().map((file) => [nameOf(file), file]));
  const found = byName.get(wanted);
  if (found !== undefined) return found;
  const nearest = nearestWord(nameOf(wanted), [...byName.keys()]);
  const hint = nearest === undefined ? 'hotfire scenarios lists those of the package' : `did you mean ${nearest}?`;
  throw new UsageError(`there is no file ${wanted}, and no scenario of that name; ${hint}`);
}

function nameOf(file: string): string {
  return basename(file).replace(/\.ya?ml$/, '');
}
