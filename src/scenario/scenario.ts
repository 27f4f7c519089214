import type { FaultDefinition } from '../faults/fault.ts';
import type { AnswerExpectation, Expectations } from './schema.ts';
import type { Stand } from './stands/stand.ts';
import type { Trigger } from './words.ts';

/** A node spec as it stands in the file: names, or words such as `primary`. */
export type NodeSpec = string | readonly string[];

interface StepTiming {
  /** Position in the file, from 0. */
  readonly index: number;
  /** Where it stands: `file.yaml:6:5: timeline.1`, for what is found wrong only in the run. */
  readonly place: string;
  /** As given, or `step-3`. */
  readonly id: string;
  readonly atMs?: number;
  readonly when?: Trigger;
  /** As it stands in the file: for messages. */
  readonly whenText?: string;
  readonly after?: string;
  readonly delayMs: number;
  readonly withinMs?: number;
}

export interface FaultStep extends StepTiming {
  readonly kind: 'fault';
  readonly definition: FaultDefinition;
  readonly parameters: Record<string, unknown>;
  readonly nodes?: NodeSpec;
  readonly durationMs?: number;
}

/** What an operator does: a request to a node's routes, or a command line. */
export type Command =
  | {
      readonly kind: 'http';
      readonly text: string;
      readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
      readonly node: string;
      readonly path: string;
      readonly body?: string;
    }
  | { readonly kind: 'shell'; readonly text: string; readonly verb: string; readonly args: readonly string[] };

export interface OperatorStep extends StepTiming {
  readonly kind: 'operator';
  readonly commands: readonly Command[];
  readonly on?: NodeSpec;
  readonly answer?: AnswerExpectation;
}

export interface LoadStep extends StepTiming {
  readonly kind: 'load';
  /** The whole load from now on, merged and parsed. */
  readonly load: unknown;
  readonly text: string;
}

export interface HealStep extends StepTiming {
  readonly kind: 'heal';
  /** Ids of fault steps; `all` is every one. */
  readonly steps: readonly string[];
}

export interface ExpectStep extends StepTiming {
  readonly kind: 'expect';
  readonly expressions: readonly string[];
}

export type Step = FaultStep | OperatorStep | LoadStep | HealStep | ExpectStep;

/** A scenario that has been read and checked: everything in it is known and refers to what is there. */
export interface Scenario {
  readonly title: string;
  readonly source?: string;
  readonly description?: string;
  readonly engine: string;
  readonly stand: Stand;
  readonly seed: number;
  readonly durationMs: number;
  readonly nodes: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Parsed by the stand. */
  readonly devices: unknown;
  /** Parsed by the stand; undefined: no workload. */
  readonly load?: unknown;
  readonly buggify: boolean;
  readonly steadyState?: { readonly metrics: readonly string[]; readonly withinMs: number };
  readonly timeline: readonly Step[];
  readonly expect: Expectations;
  /** `healWithinMs`: bound of the liveness phase; undefined with `finally: leave`. */
  readonly healWithinMs?: number;
  /** The Prometheus rule file, as text. */
  readonly rules: string;
  readonly file?: string;
  /** YAML, after `--set`. */
  readonly yaml: string;
}
