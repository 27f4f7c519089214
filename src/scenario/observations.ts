import type { LogFields } from '../host/telemetry.ts';
import type { NodeState } from './nodeState.ts';

/**
 * What a run was seen to do, beyond what its verdict needs: for the pictures and the trace of the report. Gathered only when
 * it is asked for (`RunOptions.observe`); gathering changes neither the order of events nor the fingerprint.
 */
export interface Observations {
  readonly messages: readonly MessageRecord[];
  readonly spans: readonly SpanRecord[];
  readonly logs: readonly LogRecord[];
  /** Every change of a node's state, in order. */
  readonly states: readonly StateRecord[];
  /** What was not kept, because there was more than is kept of its kind. */
  readonly dropped: { readonly messages: number; readonly spans: number; readonly logs: number };
}

/** One message between two machines: a frame of the routes' protocol, or what one write put on a connection. */
export interface MessageRecord {
  readonly sentMs: number;
  /** When its last byte reached the receiver; undefined: it never did. */
  readonly receivedMs?: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  /** What it says, in a few words: `POST /v1/assert`, `201`. */
  readonly label: string;
}

/** A span of an engine's tracer, with virtual times. */
export interface SpanRecord {
  /** 16 hexadecimal digits, as OpenTelemetry has them. */
  readonly id: string;
  readonly parentId?: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  readonly node: string;
  readonly incarnation: number;
  readonly name: string;
  readonly startMs: number;
  /** Undefined: the process ended before it did. */
  readonly endMs?: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: 'unset' | 'ok' | 'error';
  /** With `error`. */
  readonly message?: string;
  /** What happened within it, in order: `submitted`, `exception`. Absent: nothing. */
  readonly events?: readonly {
    readonly atMs: number;
    readonly name: string;
    readonly attributes?: Readonly<Record<string, unknown>>;
  }[];
  /** Ids of other spans that it worked for: those of a group that was written together. Absent: none. */
  readonly links?: readonly string[];
}

/** A line that a process logged. */
export interface LogRecord {
  readonly atMs: number;
  readonly node: string;
  readonly incarnation: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

/** A node's process came, served, or went. */
export interface StateRecord {
  readonly atMs: number;
  readonly node: string;
  readonly state: NodeState;
}

/** How many of each kind a record keeps: those nearest to faults, alerts, changes of state and violations (`moments.ts`). */
export const observationsMax = { messages: 100_000, spans: 100_000, logs: 50_000 } as const;

/**
 * How many are gathered while a run goes on, before it is known what is worth keeping: the latest, and of the older ones
 * what is near to moments that were known in time (`gathering.ts`).
 */
export const gatheredMax = { messages: 500_000, spans: 300_000, logs: 200_000 } as const;
