import type { Verdict } from '../scenario/runRecord.ts';

/** Exit codes of a run, by its verdict. */
export const verdictExitCode: Readonly<Record<Verdict, number>> = { held: 0, violated: 1, undecided: 2 };
