import type { CheckOutcome } from '../findings.ts';
import type { StreamBusEvidence } from './evidence.ts';

/** One check of the engine. */
export interface StreamBusCheck {
  /** `committed-is-durable`. */
  readonly name: string;
  /** What must hold. */
  readonly claim: string;
  readonly run: (evidence: StreamBusEvidence) => CheckOutcome;
}

/** A check that is told of every event as it happens: its findings are there at any moment. */
export interface Watch<Event> {
  take(event: Event): void;
  result(): CheckOutcome;
}
