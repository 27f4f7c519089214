import type { EngineDefinition } from '../engines/engine.ts';
import { engines } from '../engines/registry.ts';
import { nearestWord } from '../host/nearest.ts';
import { UsageError } from './exit.ts';

/** The engine of this name, or a usage error with the nearest one. */
export function engineNamed(name: string): EngineDefinition {
  const engine = engines.get(name);
  if (engine !== undefined) return engine;
  const nearest = nearestWord(name, engines.keys());
  const hint = nearest === undefined ? `expected one of ${[...engines.keys()].join(', ')}` : `did you mean ${nearest}?`;
  throw new UsageError(`unknown engine ${JSON.stringify(name)}; ${hint}`);
}
