import type { RequestContext } from './api.ts';
import type { Door } from './door.ts';
import type { Session } from './session.ts';

/** Part of a request that took its time, for the slow-query log. */
export interface SlowPart {
  readonly topic: string;
  readonly partition: number;
  readonly durationMs: number;
  readonly journalMs: number | undefined;
  readonly replicateMs: number | undefined;
}

/** What the handlers of the door itself see beyond what every handler sees. */
export interface DoorContext extends RequestContext {
  readonly door: Door;
  readonly session: Session;
  /** The connection is not read from for so long after this answer. Returns the same number, for the answer's field. */
  mute(ms: number): number;
  /** Names a part of the request; the slowest one is shown. */
  part(part: SlowPart): void;
  /** The connection is closed after this answer. */
  closeAfter(): void;
}
