import type { Labels } from './labels.ts';
import { compileRegex } from './regex.ts';

/** How a matcher compares a label's value. */
export type MatchOperator = '=' | '!=' | '=~' | '!~';

/** One label matcher of a selector. */
export interface Matcher {
  readonly label: string;
  readonly operator: MatchOperator;
  readonly value: string;
  /** Whether a label with this value passes; an absent label has the value ''. */
  readonly matches: (value: string) => boolean;
}

/**
 * Makes a matcher. Regular expressions are anchored at both ends, as in Prometheus.
 * Throws `SyntaxError` if the regular expression is not valid or not in RE2.
 */
export function createMatcher(label: string, operator: MatchOperator, value: string): Matcher {
  return { label, operator, value, matches: predicate(operator, value) };
}

function predicate(operator: MatchOperator, expected: string): (value: string) => boolean {
  switch (operator) {
    case '=':
      return (value) => value === expected;
    case '!=':
      return (value) => value !== expected;
    case '=~': {
      const regex = compileRegex(expected);
      return (value) => regex.test(value);
    }
    case '!~': {
      const regex = compileRegex(expected);
      return (value) => !regex.test(value);
    }
  }
}

/** Whether these labels pass every matcher. */
export function matchesAll(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every((matcher) => matcher.matches(labels[matcher.label] ?? ''));
}
