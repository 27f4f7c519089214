/**
 * A history: what clients did, and what they were told, in the order in which it happened. The unit of every checker.
 * Jepsen's four event kinds; `info` means that nobody knows whether the operation took effect.
 */
export type EventKind = 'invoke' | 'ok' | 'fail' | 'info';

/** One operation of one client: its invocation and, if there was one, its completion. */
export interface Operation<Input = unknown, Output = unknown> {
  /** Position of the invocation among all operations of the history, from 0. */
  readonly id: number;
  /** A logical client. It has one operation at a time; after an `info` it goes on under a new number. */
  readonly process: number;
  /** Name of the operation: `assert`, `query`, `read`, `append`. */
  readonly f: string;
  readonly input: Input;
  /** Virtual time of the invocation, in milliseconds. */
  readonly invokedAt: number;
  /** `ok`: took effect. `fail`: did not and never will. `info`: unknown (also when there was no answer at all). */
  outcome: 'ok' | 'fail' | 'info';
  /** Virtual time of the completion; Infinity when none came. */
  completedAt: number;
  /** Global order of invocation and completion: smaller is earlier; unlike times never equal. Infinity when none came. */
  readonly invokedOrder: number;
  completedOrder: number;
  output?: Output;
  /** With `fail` and `info`: the error as the client saw it. */
  error?: { readonly code: string; readonly message: string; readonly status?: number };
  /** The machine that was asked. */
  readonly node?: string;
  /** Ids of the faults (of the run's fault log) that were open at some moment between invocation and completion. */
  faults?: readonly number[];
}

/** Evidence that something that must hold did not. */
export interface Violation {
  /** Name of the check: `C1 acked-is-durable`, `linearizable`. */
  readonly check: string;
  /** One sentence: what was expected, what came. */
  readonly message: string;
  /** Virtual time at which it became visible, in milliseconds, if it has one. */
  readonly atMs?: number;
  /** Virtual time at which all of it was still well, as far as that can be shown: what went wrong did so between the two. */
  readonly fromMs?: number;
  /** The machine that it is about, where it is one's. */
  readonly node?: string;
  /** Ids of the operations of the history that show it. */
  readonly operations?: readonly number[];
  /** Plain data that shows it. */
  readonly evidence?: unknown;
}
