import type { ZodType } from 'zod';
import type { World } from '../sim/world.ts';

/** Family of a fault: the part of its name before the dot. */
export type FaultFamily = 'network' | 'disk' | 'process' | 'clock' | 'shm' | 'redis' | 'load' | 'operator' | 'object';

/** Undoes a fault. Called at most once, by the runner, at the end of `duration` or in the healing phase. */
export type Heal = () => void | Promise<void>;

/** The fault could not be applied: a bad parameter, a node that is not there, a family that cannot do this here. */
export class FaultError extends Error {
  override readonly name = 'FaultError';
}

/** One fault of the vocabulary. Scenarios, chaos and reports know it only by this. */
export interface FaultDefinition<Parameters = Record<string, unknown>> {
  /** `family.fault`. */
  readonly name: string;
  readonly family: FaultFamily;
  /** One sentence: what it does, to whom. */
  readonly summary: string;
  /** Shape of the parameters, units in `.describe()`. Unknown keys are errors. */
  readonly schema: ZodType<Parameters>;
  /** A sentence for the timeline: `fsync on stemedb-1 takes 150 ms at p99`. */
  readonly describe: (parameters: Parameters, targets: readonly string[]) => string;
  /** Makes it so; returns how to heal it, or undefined when there is nothing to undo (a crash, a jump of the clock). */
  readonly apply: (context: FaultContext, parameters: Parameters) => Heal | undefined;
  /** After how many milliseconds it is over by itself, healed or not. Default: never. */
  readonly lastsMs?: (parameters: Parameters) => number | undefined;
}

/** What a fault is applied to. */
export interface FaultContext {
  readonly world: World;
  /** Names of the machines that it hits, already resolved from the node spec. */
  readonly targets: readonly string[];
}
