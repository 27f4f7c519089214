import type { z } from 'zod';
import type { Machine } from '../sim/machine.ts';
import { type FaultContext, type FaultDefinition, FaultError, type FaultFamily, type Heal } from './fault.ts';

/** A definition whose parameters are what its schema parses to. */
export function defineFault<S extends z.ZodType>(definition: {
  readonly name: `${FaultFamily}.${string}`;
  readonly summary: string;
  readonly schema: S;
  readonly describe: (parameters: z.output<S>, targets: readonly string[]) => string;
  readonly apply: (context: FaultContext, parameters: z.output<S>) => Heal | undefined;
  readonly lastsMs?: (parameters: z.output<S>) => number | undefined;
}): FaultDefinition {
  // The part before the dot of a FaultFamily-dot-text is a FaultFamily.
  const family = definition.name.slice(0, definition.name.indexOf('.')) as FaultFamily;
  // Whoever applies a fault has parsed its parameters with this very schema.
  return { ...definition, family } as unknown as FaultDefinition;
}

/** The machines that a fault hits. Throws `FaultError` for a name that the world does not have, or for none at all. */
export function machinesOf(context: FaultContext): Machine[] {
  if (context.targets.length === 0) throw new FaultError('expected at least one node to hit, got none');
  return context.targets.map((name) => {
    const machine = context.world.machines.get(name);
    if (machine !== undefined) return machine;
    throw new FaultError(`node ${name}: expected one of ${[...context.world.machines.keys()].join(', ')}`);
  });
}

/** One heal for many, in reverse order. */
export function healAll(heals: readonly (() => void)[]): Heal {
  return () => {
    for (const heal of [...heals].reverse()) heal();
  };
}
