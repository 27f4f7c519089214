import type { Matcher } from './matcher.ts';

/** Arithmetic between values. */
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
/** Comparison: filters, or with `bool` yields 0 or 1. */
export type ComparisonOperator = '==' | '!=' | '>' | '<' | '>=' | '<=';
/** Set operations between instant vectors. */
export type SetOperator = 'and' | 'or' | 'unless';
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | SetOperator;

/** Aggregations over the elements of an instant vector. */
export type AggregateOperator = 'sum' | 'avg' | 'min' | 'max' | 'count' | 'quantile' | 'topk' | 'bottomk';

/** How the elements of two vectors find each other. */
export interface VectorMatching {
  readonly kind: 'on' | 'ignoring';
  readonly labels: readonly string[];
  /** `many-to-one` is `group_left`, `one-to-many` is `group_right`. */
  readonly cardinality: 'one-to-one' | 'many-to-one' | 'one-to-many';
  /** Labels that come from the side of the one. */
  readonly include: readonly string[];
}

/** Where the node begins in the source, for errors of evaluation. */
interface Node {
  readonly offset: number;
}

export interface NumberLiteral extends Node {
  readonly kind: 'number';
  readonly value: number;
}
export interface StringLiteral extends Node {
  readonly kind: 'string';
  readonly value: string;
}
export interface VectorSelector extends Node {
  readonly kind: 'selector';
  readonly matchers: readonly Matcher[];
  /** Milliseconds by which to look back; negative looks ahead. */
  readonly offsetMs: number;
}
export interface MatrixSelector extends Node {
  readonly kind: 'range';
  readonly selector: VectorSelector;
  readonly rangeMs: number;
}
export interface Unary extends Node {
  readonly kind: 'negate';
  readonly operand: Expr;
}
export interface Binary extends Node {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
  readonly bool: boolean;
  readonly matching: VectorMatching;
}
export interface Aggregate extends Node {
  readonly kind: 'aggregate';
  readonly operator: AggregateOperator;
  readonly operand: Expr;
  /** Of `quantile`, `topk` and `bottomk`. */
  readonly parameter?: Expr;
  readonly grouping: 'by' | 'without';
  readonly labels: readonly string[];
}
export interface Call extends Node {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expr[];
}

/** A parsed expression of the evaluated subset. Parentheses are gone: the tree says what they said. */
export type Expr = NumberLiteral | StringLiteral | VectorSelector | MatrixSelector | Unary | Binary | Aggregate | Call;

/** An expression with its source, which errors quote. */
export interface ParsedExpr {
  readonly source: string;
  readonly root: Expr;
}
