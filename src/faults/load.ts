import { z } from 'zod';
import type { World } from '../sim/world.ts';
import { type FaultContext, type FaultDefinition, FaultError } from './fault.ts';

/** How the workload of a world is turned up and down. Whoever runs one registers it. */
export interface LoadControl {
  /** Multiplies what the clients do by `factor`, 0 for nothing at all; returns how to undo that. */
  scale(factor: number): () => void;
}

const controls = new WeakMap<World, LoadControl>();

/** Lets the faults of this family act on the workload of this world. */
export function registerLoad(world: World, control: LoadControl): void {
  controls.set(world, control);
}

function controlOf({ world }: FaultContext, fault: string): LoadControl {
  const control = controls.get(world);
  if (control === undefined) throw new FaultError(`${fault}: expected a workload, there is none in this world`);
  return control;
}

function loadFault<S extends z.ZodType>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly schema: S;
  readonly describe: (parameters: z.output<S>, targets: readonly string[]) => string;
  readonly apply: (context: FaultContext, parameters: z.output<S>) => () => void;
}): FaultDefinition {
  // The registry holds definitions of many shapes of parameters; each is only ever given what its own schema parsed.
  return { ...definition, family: 'load' } as unknown as FaultDefinition;
}

/** `load.spike` */
export const loadSpike = loadFault({
  name: 'load.spike',
  summary: 'The clients do a multiple of what they did.',
  schema: z.strictObject({
    factor: z.number().min(1).max(100).default(4).describe('how many times as much'),
  }),
  describe: ({ factor }) => `the load is ${factor} times what it was`,
  apply: (context, { factor }) => controlOf(context, 'load.spike').scale(factor),
});

/** `load.idle` */
export const loadIdle = loadFault({
  name: 'load.idle',
  summary: 'The clients fall silent.',
  schema: z.strictObject({}),
  describe: () => 'the clients are idle',
  apply: (context) => controlOf(context, 'load.idle').scale(0),
});

/** Every fault of the workload. */
export const loadFaults: readonly FaultDefinition[] = [loadSpike, loadIdle];
