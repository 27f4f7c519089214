import { z } from 'zod';
import { nearestWord } from '../host/nearest.ts';
import { clockFaults } from './clock.ts';
import { diskFaults } from './disk.ts';
import { type FaultDefinition, FaultError } from './fault.ts';
import { loadFaults } from './load.ts';
import { networkFaults } from './network.ts';
import { operatorFaults } from './operator.ts';
import { processFaults } from './process.ts';
import { sharedMemoryFaults } from './sharedMemory.ts';

/** Every fault by name. What is added here is there for scenarios, chaos and reports. */
export const faults: ReadonlyMap<string, FaultDefinition> = new Map(
  [
    ...networkFaults,
    ...diskFaults,
    ...processFaults,
    ...clockFaults,
    ...sharedMemoryFaults,
    ...loadFaults,
    ...operatorFaults,
  ].map((fault) => [fault.name, fault]),
);

/** A fault with parameters that its schema has parsed. */
export interface ParsedFault {
  readonly definition: FaultDefinition;
  readonly parameters: Record<string, unknown>;
}

/** The fault of this name with these parameters. Throws `FaultError` that says what was expected, with the nearest word. */
export function parseFault(name: string, raw: unknown): ParsedFault {
  const definition = faults.get(name);
  if (definition === undefined) {
    const nearest = nearestWord(name, faults.keys());
    throw new FaultError(
      `fault ${name}: there is none of this name${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    );
  }
  const parsed = definition.schema.safeParse(raw ?? {});
  if (parsed.success) return { definition, parameters: parsed.data };
  const known = definition.schema instanceof z.ZodObject ? Object.keys(definition.schema.shape) : [];
  const problems = parsed.error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys' || issue.path.length > 0) {
      return [`${issue.path.join('.') || 'parameters'}: ${issue.message}`];
    }
    return issue.keys.map((key) => {
      const nearest = nearestWord(key, known);
      const hint = nearest === undefined ? `expected ${known.join(', ') || 'none'}` : `did you mean ${nearest}?`;
      return `${key}: there is no such parameter; ${hint}`;
    });
  });
  throw new FaultError(`fault ${name}: ${problems.join('; ')}`);
}
