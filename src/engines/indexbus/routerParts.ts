import type { Clock } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import type { LaneParts, Lanes } from './lanes.ts';
import type { Placing } from './placing.ts';
import type { Routing } from './routing.ts';
import type { Segment } from './segment.ts';
import type { Sources } from './sources.ts';

/** What can be set of a router. */
export interface RouterOptions {
  /** Most messages of a poll, 1 to 4096. Default 256. */
  readonly batchSize: number;
  /** What becomes of messages that nobody wants. Default drop. */
  readonly noSubscriber: 'drop' | 'hold';
  /** Milliseconds between two cuts of the counters. Default 100. */
  readonly counterSampleMs: number;
  /** Whether a participant's request makes a topic that is not there. Default true. */
  readonly autoCreate: boolean;
}

export const defaultRouterOptions: RouterOptions = {
  batchSize: 256,
  noSubscriber: 'drop',
  counterSampleMs: 100,
  autoCreate: true,
};

/** A lane whose consumer has gone, or was sent away. */
export interface LaneEnd {
  readonly lane: number;
  /** A `DetachReason`. */
  readonly reason: number;
  /** Where its consumer stood. */
  readonly position: number;
  /** Messages behind it. */
  readonly unread: number;
  /** It is an end that a predecessor wrote down, and told of. */
  readonly isResumed: boolean;
}

/** What a router tells of seats, for logs and metrics. */
export interface RouterEvents {
  laneLive?(lane: number): void;
  laneEnded?(end: LaneEnd): void;
  /** So many more entries of a lane that ended were damaged: nobody gets what they were. */
  entriesDamaged?(lane: number, entries: number): void;
  /** What the lane had is elsewhere or lost, and its seat is free. */
  laneFreed?(lane: number): void;
  producerLive?(producer: number): void;
  producerEnded?(producer: number, reason: number): void;
  producerFreed?(producer: number): void;
  joinRefused?(seat: number, reason: string): void;
}

/** What the parts of a router share. */
export interface RouterParts extends LaneParts {
  readonly segment: Segment;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'sometimes' | 'buggify' | 'mutant'>;
  readonly events: RouterEvents;
  readonly lanes: Lanes;
  readonly placing: Placing;
  readonly sources: Sources;
  readonly routing: Routing;
}
