import type { ParsedExpr } from '../promql/ast.ts';
import type { Template } from './template.ts';

/** A rule that keeps an expression's result as a series of its own. */
export interface RecordingRule {
  readonly kind: 'recording';
  /** Name of the series. */
  readonly name: string;
  readonly expr: ParsedExpr;
  readonly labels: Readonly<Record<string, Template>>;
  /** Line of the rule in its file, from 1. */
  readonly line: number;
}

/** A rule that raises an alert for every element of an expression's result. */
export interface AlertingRule {
  readonly kind: 'alerting';
  readonly name: string;
  readonly expr: ParsedExpr;
  /** How long an element must be there before its alert fires, in milliseconds. */
  readonly forMs: number;
  /** How long a firing alert goes on after its element is gone, in milliseconds. */
  readonly keepFiringForMs: number;
  readonly labels: Readonly<Record<string, Template>>;
  readonly annotations: Readonly<Record<string, Template>>;
  /** Line of the rule in its file, from 1. */
  readonly line: number;
}

export type Rule = RecordingRule | AlertingRule;

/** Rules that are evaluated together, in order: a rule sees what the ones before it recorded at the same instant. */
export interface RuleGroup {
  readonly name: string;
  /** Undefined: the evaluator's default. */
  readonly intervalMs?: number;
  readonly rules: readonly Rule[];
}
