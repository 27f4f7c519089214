import type { Violation } from '../checkers/history.ts';
import type { ExpectationResult, Verdict } from './runRecord.ts';
import type { Timeline } from './timeline.ts';

/** What a run was found to have done: expectations that were judged, violations that were seen. */
export interface Findings {
  readonly results: readonly ExpectationResult[];
  readonly violations: readonly Violation[];
  /** Keeps a judgement, and tells the timeline. */
  judge(result: ExpectationResult): void;
  /** Keeps a judgement of which the timeline knows already. */
  keep(result: ExpectationResult): void;
  /** Keeps what a check found; the timeline gets the first few. */
  violate(violations: readonly Violation[]): void;
  /** The engine did what no engine may: an exception that nobody caught, a leak of real time. */
  defect(message: string, node?: string): void;
}

/** Violations of one check that the timeline shows. */
const shownOfCheck = 5;
/** Violations that are listed among the reasons of a verdict. */
const reasonsOfViolations = 20;

/** Findings of a run that is told by this timeline. */
export function createFindings(now: () => number, timeline: Timeline): Findings {
  const results: ExpectationResult[] = [];
  const violations: Violation[] = [];
  return {
    results,
    violations,
    judge(result) {
      results.push(result);
      timeline.add('expectation', `${result.outcome}: ${result.text} (${result.detail})`);
    },
    keep: (result) => void results.push(result),
    violate(found) {
      violations.push(...found);
      for (const violation of found.slice(0, shownOfCheck)) {
        timeline.add('violation', violation.message, violation.node, violation);
      }
    },
    defect(message, node) {
      const text = node === undefined ? message : `${node}: ${message}`;
      violations.push({ check: 'no-defect', message: text, atMs: now(), ...(node === undefined ? {} : { node }) });
      timeline.add('violation', `defect: ${message}`, node);
    },
  };
}

/** One violation decides; without any, one expectation that could not be judged leaves the run undecided. */
export function verdictOf({ results, violations }: Findings): Verdict {
  if (violations.length > 0 || results.some((result) => result.outcome === 'violated')) return 'violated';
  return results.some((result) => result.outcome === 'undecided') ? 'undecided' : 'held';
}

/** Why the verdict is not `held`, a line each. */
export function reasonsOf({ results, violations }: Findings): string[] {
  return [
    ...violations.slice(0, reasonsOfViolations).map((violation) => `${violation.check}: ${violation.message}`),
    ...results
      .filter((result) => result.outcome !== 'held')
      .map((result) => `${result.outcome}: ${result.text} (${result.detail})`),
  ];
}
