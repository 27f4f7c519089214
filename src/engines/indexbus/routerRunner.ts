import type { RouterCommand } from './commands.ts';
import { BusError, type BusErrorCode, busErrorStatus } from './errors.ts';
import type { LaneOutcome } from './laneEnds.ts';
import type { LoopStats } from './loopStats.ts';
import type { LoopSettings } from './routerLoop.ts';
import type { RouterOptions } from './routerParts.ts';

/** What a router and its loop start with. */
export interface RouterSetup {
  readonly options: RouterOptions;
  readonly loop: LoopSettings;
}

/** What a router tells of its seats, as plain data: it may come from another thread. */
export type RouterNews =
  | { readonly news: 'lane-live'; readonly lane: number }
  | {
      readonly news: 'lane-ended';
      readonly lane: number;
      /** A `DetachReason`. */
      readonly reason: number;
      readonly position: number;
      readonly unread: number;
    }
  | { readonly news: 'entries-damaged'; readonly lane: number; readonly entries: number }
  | ({ readonly news: 'lane-freed'; readonly lane: number } & LaneOutcome)
  | { readonly news: 'producer-live'; readonly producer: number }
  | {
      readonly news: 'producer-ended';
      readonly producer: number;
      /** A `DetachReason`. */
      readonly reason: number;
      /** Of a damaged source: messages behind the damage, which are lost. */
      readonly unrouted: number;
    }
  | { readonly news: 'producer-freed'; readonly producer: number }
  | { readonly news: 'join-refused'; readonly seat: number; readonly reason: string };

/** A router that runs, on a thread of its own or as a task of this one. */
export interface RouterRunner {
  readonly stats: LoopStats;
  readonly isDedicated: boolean;
  /** Carries a command out between two polls. Rejects with `BusError` where the segment does not allow it. */
  apply(command: RouterCommand): Promise<void>;
  /** Resolves once it was stopped; rejects with what it ended of. */
  readonly ended: Promise<void>;
  /** One round at once, of a router that shares a thread: what a processor of its own would do meanwhile. */
  turn?(): void;
  /** Ends it between two polls. */
  stop(): Promise<void>;
}

/** A failure as it travels between threads. */
export interface PlainFailure {
  readonly code: string;
  readonly message: string;
  readonly expected?: string | undefined;
  readonly got?: string | undefined;
  readonly stack?: string | undefined;
}

export function plainFailure(error: unknown): PlainFailure {
  if (error instanceof BusError) {
    return { code: error.code, message: error.message, expected: error.expected, got: error.got };
  }
  if (error instanceof Error) return { code: 'DEFECT', message: error.message, stack: error.stack };
  return { code: 'DEFECT', message: String(error) };
}

export function failureOf({ code, message, expected, got, stack }: PlainFailure): Error {
  if (Object.hasOwn(busErrorStatus, code)) {
    // Just looked at: it is one of the codes.
    return new BusError(code as BusErrorCode, message, {
      ...(expected === undefined ? {} : { expected }),
      ...(got === undefined ? {} : { got }),
    });
  }
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
