import type { Violation } from './history.ts';

/** What a check concluded. A check that looked at nothing says so in `detail`. */
export interface CheckOutcome {
  readonly violations: readonly Violation[];
  /** What it looked at, in one line. */
  readonly detail: string;
  /** Why it could not decide. */
  readonly undecided?: string;
}

/** Violations shown of one check: the first ones tell the story. */
export const violationsShownMax = 20;

/** Collects violations of one check, bounded; counts all. */
export class Findings {
  readonly #check: string;
  readonly #violations: Violation[] = [];
  count = 0;

  constructor(check: string) {
    this.#check = check;
  }
  add(message: string, more: Omit<Violation, 'check' | 'message'> = {}): void {
    this.count++;
    if (this.#violations.length < violationsShownMax) this.#violations.push({ check: this.#check, message, ...more });
  }
  result(detail: string, undecided?: string): CheckOutcome {
    const all = this.count > this.#violations.length ? `${detail}; ${this.count} violations, first shown` : detail;
    return { violations: this.#violations, detail: all, ...(undecided === undefined ? {} : { undecided }) };
  }
}
