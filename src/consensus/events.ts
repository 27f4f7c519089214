/** Where a member tells what it does. */
export interface LogSink {
  event(event: RaftEvent): void;
}

/** One thing that a member did or saw. `describe.ts` puts it in words. */
export interface RaftEvent {
  readonly kind: string;
}
