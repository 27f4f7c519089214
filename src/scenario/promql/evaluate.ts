import type { ParsedExpr } from './ast.ts';
import { evaluateExpr } from './evaluateExpr.ts';
import { parsePromql } from './parse.ts';
import type { SeriesStore } from './seriesStore.ts';
import type { PromqlValue, Sample } from './value.ts';

/** How to evaluate. */
export interface EvaluateOptions {
  /** How far back an instant selector looks for a sample, in milliseconds. Default: 300,000 (5 m), as Prometheus. */
  readonly lookbackMs?: number;
  /**
   * Which Prometheus to be. `v3` (default): a range or lookback leaves its left end out. `v2`: it has both ends in, and
   * extrapolates a counter towards zero by the older rule. See docs/alerts.md.
   */
  readonly semantics?: 'v2' | 'v3';
}

/**
 * The value of an expression at `tMs`, by the semantics of Prometheus.
 * Throws `PromqlError` when the text is not in the subset or the data does not allow the operation.
 */
export function evaluate(
  expression: string | ParsedExpr,
  store: SeriesStore,
  tMs: number,
  options: EvaluateOptions = {},
): PromqlValue {
  const parsed = typeof expression === 'string' ? parsePromql(expression) : expression;
  return evaluateExpr(parsed.root, {
    source: parsed.source,
    store,
    tMs,
    lookbackMs: options.lookbackMs ?? 300_000,
    leftOpen: options.semantics !== 'v2',
  });
}

/** As `evaluate`, for expressions that yield an instant vector; a scalar becomes one element without labels. */
export function evaluateVector(
  expression: string | ParsedExpr,
  store: SeriesStore,
  tMs: number,
  options: EvaluateOptions = {},
): readonly Sample[] {
  const value = evaluate(expression, store, tMs, options);
  if (value.type === 'vector') return value.samples;
  if (value.type === 'scalar') return [{ labels: {}, value: value.value }];
  throw new TypeError(`expected an expression that yields an instant vector or a scalar, got a ${value.type}`);
}
