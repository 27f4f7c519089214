import type { Violation } from '../checkers/history.ts';
import { violationsShownMax } from '../checkers/stemedb/check.ts';

/** How often something was violated: checks keep only their first violations, and of a check that kept as many nobody knows. */
export function violationCount(violations: readonly Pick<Violation, 'check'>[]): string {
  const counts = Map.groupBy(violations, ({ check }) => check).values();
  return `${violations.length.toLocaleString('en-US')}${counts.some(isCut) ? ' or more' : ''}`;
}

/** `once`, `3 times`, `20 or more times`. */
export function violationTimes(violations: readonly Pick<Violation, 'check'>[]): string {
  return violations.length === 1 ? 'once' : `${violationCount(violations)} times`;
}

/** What stands beside the first violation of a check: ` (and 3 more like it)`. */
export function moreLikeIt(violations: readonly Pick<Violation, 'check'>[]): string {
  if (violations.length < 2) return '';
  const others = (violations.length - 1).toLocaleString('en-US');
  return ` (and ${isCut(violations) ? 'at least ' : ''}${others} more like it)`;
}

function isCut({ length }: readonly unknown[]): boolean {
  return length === violationsShownMax;
}
