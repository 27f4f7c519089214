import { z } from 'zod';
import type { FaultDefinition } from '../../src/faults/fault.ts';
import { durationMs } from '../../src/faults/units.ts';
import type { Vocabulary } from '../../src/scenario/load.ts';
import { toyRules, toyStand } from './toyEngine.ts';

/** Kills the process of each target; somebody else must start it again. */
const kill: FaultDefinition = {
  name: 'process.kill',
  family: 'process',
  summary: 'kills',
  schema: z.strictObject({}),
  describe: (_, targets) => `${targets.join(', ')} killed`,
  apply({ world, targets }) {
    for (const target of targets) world.machines.get(target)?.kill();
    return undefined;
  },
};

/** Stops the process of each target for a while. */
const pause: FaultDefinition = {
  name: 'process.pause',
  family: 'process',
  summary: 'pauses',
  // Parameters of a fault are a record to those who do not know it.
  schema: z.strictObject({ grace: durationMs.optional(), at: z.string().optional() }) as z.ZodType<
    Record<string, unknown>
  >,
  describe: (_, targets) => `${targets.join(', ')} paused`,
  apply({ world, targets }) {
    const machines = targets.flatMap((target) => world.machines.get(target) ?? []);
    for (const machine of machines) machine.pause();
    return () => {
      for (const machine of machines) machine.resume();
    };
  },
};

export const toyVocabulary: Vocabulary = {
  stands: new Map([['counter', toyStand]]),
  faults: new Map([kill, pause].map((fault) => [fault.name, fault])),
  rules: () => toyRules,
};
