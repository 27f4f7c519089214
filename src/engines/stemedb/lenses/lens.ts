/**
 * What a lens sees. Lenses are pure: equal candidates give an equal answer in whatever order they arrived, because every
 * sum is one of whole numbers and every tie is decided by what the claims say of themselves.
 */
export interface Candidate {
  /** LSN of the assertion. Says when it arrived: no lens may decide by it. */
  readonly row: number;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** 64 hexadecimal digits; empty when the claim names none. */
  readonly agent: string;
  /** Equal for equal objects. */
  readonly object: string;
  readonly timestamp: number;
  /** Confidence × 10^6. */
  readonly confidence: number;
  /** How many epochs the claim's epoch supersedes, one after the other; −1 without an epoch. */
  readonly epochDepth: number;
  /** Every vote on it, in any order; of an agent's the latest counts. Only there for lenses that count voices. */
  readonly votes: readonly Voice[];
}

/** What one agent says of one assertion. */
export interface Voice {
  readonly agent: string;
  readonly timestamp: number;
  /** Id of the vote or assertion that says it. */
  readonly id: string;
  readonly supports: boolean;
}

/** What a lens may ask beside the candidates. */
export interface LensContext {
  /** Weight of an agent × 10^6; 1,000,000 for one without. */
  readonly weightOf: (agent: string) => number;
  /** Planted bug `float-sum`: weights are added as fractions. */
  readonly floatSum: boolean;
  /** Planted bug `tie-by-arrival`: ties go to the claim that came first. */
  readonly tieByArrival: boolean;
}

/** Scores by candidate, in the order given: whole numbers, higher wins. */
export type Scoring = (candidates: readonly Candidate[], context: LensContext) => number[];

/** Which rule put the winner before the next: `only` when there is no next, `none` when there is no winner. */
export type DecidedBy = 'none' | 'only' | 'timestamp' | 'id' | 'score' | `${string}:score`;

/** A candidate with its place in the order. */
export interface Ranked {
  readonly candidate: Candidate;
  /** One score, or with layers one a layer. */
  readonly scores: readonly number[];
}

/** The outcome of a lens. */
export interface Resolution {
  /** Best first. */
  readonly ranked: readonly Ranked[];
  readonly winner: Candidate | undefined;
  readonly decidedBy: DecidedBy;
  /** Skeptic only. */
  readonly conflict?: number;
  readonly objects?: readonly ObjectShare[];
}

/** One object and how much of the voices it has. */
export interface ObjectShare {
  /** Key of the object, as in `Candidate.object`. */
  readonly object: string;
  /** Newest claim of it. */
  readonly example: Candidate;
  readonly assertions: number;
  readonly voices: number;
  /** Share of all voices, in millionths, rounded down. */
  readonly share: number;
}
