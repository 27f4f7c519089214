/** A bug that the simulator can plant, to prove that the checkers see it. */
export interface Mutant {
  readonly name: string;
  /** What it breaks, in a few words. */
  readonly breaks: string;
}

/** Every bug that is planted in this engine. */
export const indexbusMutants: readonly Mutant[] = [];
