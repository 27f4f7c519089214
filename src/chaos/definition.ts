import type { Arbitrary } from 'fast-check';

/** A scenario as plain data: what stands in its YAML file. */
export type ScenarioDocument = Readonly<Record<string, unknown>>;

/** A bug that the engine can be told to have, and who must see it. */
export interface Mutant {
  readonly name: string;
  /** What it breaks, in a few words. */
  readonly breaks: string;
}

/** What chaos must know of an engine. */
export interface ChaosDefinition {
  readonly engine: string;
  /** Random clusters, loads and faults as scenarios; shrinks towards fewer and simpler faults. */
  readonly scenarios: Arbitrary<ScenarioDocument>;
  readonly mutants: readonly Mutant[];
  /** Seeds within which every mutant must be caught. */
  readonly mutantSeedsMax: number;
}
