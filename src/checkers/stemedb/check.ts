import type { CheckOutcome } from '../findings.ts';
import type { StemeEvidence } from './evidence.ts';

export { Findings, violationsShownMax } from '../findings.ts';

/** What a check concluded. A check that looked at nothing says so in `detail`. */
export type StemeCheckResult = CheckOutcome;

/** One check of the engine. */
export interface StemeCheck {
  /** `acked-is-durable`. */
  readonly name: string;
  /** `C1`. */
  readonly number: string;
  /** What must hold. */
  readonly claim: string;
  readonly run: (evidence: StemeEvidence) => StemeCheckResult;
}
