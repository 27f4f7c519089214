import type { RequestContext } from './api.ts';

/** What the handlers of the door itself see beyond what every handler sees. */
export interface DoorContext extends RequestContext {
  readonly door: unknown;
}
