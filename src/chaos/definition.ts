import type { Arbitrary } from 'fast-check';
import type { DeclaredPoints } from '../host/telemetry.ts';

/** A scenario as plain data: what stands in its YAML file. */
export type ScenarioDocument = Readonly<Record<string, unknown>>;

/** A drawn run before it becomes a scenario: plain JSON data, whose shape only its engine's definition knows. */
export type Draw = Readonly<Record<string, unknown>>;

/** Id of a step that `complete` derives: it stands for no fault of its own. */
export const putRightId = 'put-right';

/** A bug that the engine can be told to have, and who must see it. */
export interface Mutant {
  readonly name: string;
  /** What it breaks, in a few words. */
  readonly breaks: string;
}

/** What chaos must know of an engine, whose draws are `D`. */
export interface ChaosOf<D extends Draw> {
  readonly engine: string;
  /** Random clusters, configurations, loads and faults. What fails is made smaller by `shrink/`, not by fast-check. */
  readonly draws: Arbitrary<D>;
  /** The whole scenario of a draw: completed, ready to be played. */
  readonly scenarioOf: (draw: D) => ScenarioDocument;
  /**
   * A run near another: keeps much of the parent, takes some of the fresh one.
   *
   * @param random uniform in [0, 1), from the campaign's seed
   */
  readonly near: (parent: D, fresh: D, random: () => number) => D;
  /**
   * Derives anew from the steps of the timeline what may be demanded of a scenario of chaos: expectations, exits, the
   * ending, and what an operator must put right. To be called after every change of the steps.
   *
   * @returns undefined when nothing sound can be demanded of such a run
   */
  readonly complete: (document: ScenarioDocument) => ScenarioDocument | undefined;
  /** What the engine declares to be reached. */
  readonly points: DeclaredPoints;
  readonly mutants: readonly Mutant[];
  /** Seeds within which every mutant must be caught. */
  readonly mutantSeedsMax: number;
}

/** What chaos must know of an engine, whatever its draws are. */
export type ChaosDefinition = ChaosOf<Draw>;

/** A definition among those of other engines, whose draws have other shapes. */
export function eraseDraw<D extends Draw>(definition: ChaosOf<D>): ChaosDefinition {
  // Its own draws alone are ever given back to it.
  return definition as unknown as ChaosDefinition;
}
