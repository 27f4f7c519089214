import type { ChaosDefinition, Mutant } from '../chaos/definition.ts';
import { chaosDefinitions } from '../chaos/registry.ts';
import { nearestWord } from '../host/nearest.ts';
import { UsageError } from './exit.ts';

/** The engine's part of chaos, or a usage error with the nearest name. */
export function definitionOf(engine: string): ChaosDefinition {
  const definition = chaosDefinitions.get(engine);
  if (definition !== undefined) return definition;
  const nearest = nearestWord(engine, chaosDefinitions.keys());
  const known = [...chaosDefinitions.keys()].join(', ');
  throw new UsageError(
    `no chaos for the engine ${engine}; ${nearest === undefined ? `there is ${known}` : `did you mean ${nearest}?`}`,
  );
}

/** The bug of this name that the engine can be told to have, or a usage error with those that begin so or the nearest, else all of them. */
export function mutantNamed(engine: string, name: string): Mutant {
  const { mutants } = definitionOf(engine);
  const found = mutants.find((mutant) => mutant.name === name);
  if (found !== undefined) return found;
  const names = mutants.map((mutant) => mutant.name);
  const begun = name === '' ? [] : names.filter((each) => each.startsWith(name));
  const nearest = begun.length > 0 ? begun.join(' or ') : nearestWord(name, names);
  throw new UsageError(
    `no mutant ${name}; ${nearest === undefined ? `there are ${names.join(', ')}` : `did you mean ${nearest}?`}`,
  );
}
