import type { DetachReason, SegmentSizes } from './layout.ts';

/** How a subscription's messages are handed out. */
export interface Subscription {
  /** 1 to 63 characters of a-z 0-9 . _ -. */
  readonly name: string;
  /** Patterns: `orders.*` for one more part, `orders.>` for all that begins so. */
  readonly topics: readonly string[];
  /** `broadcast`: every lane gets every match; `workqueue`: one lane; `keyed`: the lane of the key. Default broadcast. */
  readonly mode: 'broadcast' | 'workqueue' | 'keyed';
  /** Whether a full lane makes its sources wait. Default nonblocking. */
  readonly lane: 'nonblocking' | 'blocking';
  /** What a full lane that does not block loses. Default newest. */
  readonly drop: 'newest' | 'oldest';
  /** Messages of a lane, 1 to half of its ring. Default 4096. */
  readonly capacity: number;
  /** Messages under way, 1 to capacity; undefined for no limit of its own. */
  readonly creditLimit: number | undefined;
  readonly balance: 'round_robin' | 'least_depth';
  /** A lane that refuses and has not moved for so long is fenced. Undefined: never. Default 5000 if blocking. */
  readonly detachAfterMs: number | undefined;
  readonly delivery: 'at_most_once' | 'at_least_once';
  readonly access: 'copy' | 'view';
  /** Messages that one consumer may have open by view, 1 to capacity. Default 256. */
  readonly viewMax: number;
}

/** What can be changed of a lane while it lives; later messages feel it. */
export interface LaneChange {
  readonly lane?: 'nonblocking' | 'blocking';
  readonly drop?: 'newest' | 'oldest';
  readonly capacity?: number;
  /** 0 lifts it. */
  readonly creditLimit?: number;
  /** 0: never. */
  readonly detachAfterMs?: number;
}

/** Changes how a router polls. */
export interface ChangeRouter {
  readonly do: 'change-router';
  readonly batchSize?: number;
  readonly pollIntervalUs?: number;
  readonly spinUs?: number;
}

/** What the daemon tells its router: each is carried out between two polls. Throws `BusError` where the segment does not allow it. */
export type RouterCommand =
  | { readonly do: 'change-lane'; readonly lane: number; readonly change: LaneChange }
  | {
      readonly do: 'change-producer';
      readonly seat: number;
      /** 0 lifts it. */
      readonly creditLimit?: number;
      /** Messages a second; 0 lifts it. */
      readonly rateLimit?: number;
    }
  | { readonly do: 'detach-lane'; readonly lane: number; readonly reason: DetachCause }
  /** What an ended lane has for a next consumer is lost and counted: none can come any more. Nothing happens to a lane that has not ended. */
  | { readonly do: 'give-up-lane'; readonly lane: number }
  | { readonly do: 'fence-producer'; readonly seat: number }
  /** Messages that nobody wants are dropped from now on, also with `no_subscriber: hold`: none can come any more who does. */
  | { readonly do: 'drop-unwanted' }
  /**
   * What a producer that has ended had flushed is taken at once from now on, whatever its rate: others wait for it. Its seat keeps saying the rate, which goes
   * with its holder to the next generation. Nothing happens to one that has not ended.
   */
  | { readonly do: 'lift-rate'; readonly seat: number }
  /** What the probe of liveness found: `seat` counts producers first, then lanes; nothing happens if its epoch is another by now. */
  | { readonly do: 'peer-dead'; readonly seat: number; readonly epoch: number }
  | { readonly do: 'peer-doubtful'; readonly seat: number; readonly epoch: number }
  | { readonly do: 'put-subscription'; readonly subscription: Subscription }
  | { readonly do: 'delete-subscription'; readonly name: string }
  | { readonly do: 'create-topic'; readonly name: string }
  | ChangeRouter
  /** Writes a cut of the counters at once: nobody has to wait for the next. */
  | { readonly do: 'sample' }
  | { readonly do: 'drain' }
  | { readonly do: 'roll'; readonly sizes: SegmentSizes };

export type DetachCause = Exclude<keyof typeof DetachReason, 'none'>;
