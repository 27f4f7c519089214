import type { Group } from './group.ts';

/** Where the messages of one topic go: lanes that each get every one, and groups of which one lane gets it. Made anew when routing changes. */
export interface Route {
  /** Lanes of broadcast subscriptions, live ones, each once. */
  readonly broadcast: Int32Array;
  /** Groups that have a live lane. */
  readonly groups: readonly Group[];
}

/** What nobody wants. */
export const noRoute: Route = { broadcast: new Int32Array(0), groups: [] };
