import type { CheckOutcome } from '../findings.ts';
import type { BusEvent } from './events.ts';

/** One check of the bus over what a witness saw. */
export interface IndexBusCheck {
  /** `A1`, `O2`. */
  readonly name: string;
  /** What must hold. */
  readonly claim: string;
  readonly run: (events: readonly BusEvent[]) => CheckOutcome;
}
