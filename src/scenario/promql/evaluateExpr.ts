import { aggregate } from './aggregate.ts';
import type { Call, Expr, MatrixSelector, VectorSelector } from './ast.ts';
import { evaluateBinary } from './binary.ts';
import { PromqlError } from './error.ts';
import { histogramQuantile } from './histogram.ts';
import { absentLabels, clamp, labelReplace, mapValues } from './instantFunctions.ts';
import { labelKey } from './labels.ts';
import { quantileOverTime, RANGE_FUNCTIONS } from './rangeFunctions.ts';
import type { SeriesStore } from './seriesStore.ts';
import type { PromqlValue, RangeSeries, Sample } from './value.ts';

/** All that an evaluation needs to know. */
export interface EvaluationContext {
  readonly source: string;
  readonly store: SeriesStore;
  readonly tMs: number;
  readonly lookbackMs: number;
  /** Whether ranges and the lookback leave their left end out (Prometheus 3). */
  readonly leftOpen: boolean;
}

type Vector = readonly Sample[];

/** Evaluates a node whose types were checked. Throws `PromqlError` with code `PROMQL_EVALUATION`. */
export function evaluateExpr(expr: Expr, context: EvaluationContext): PromqlValue {
  switch (expr.kind) {
    case 'number':
      return { type: 'scalar', value: expr.value };
    case 'string':
      return { type: 'string', value: expr.value };
    case 'selector':
      return { type: 'vector', samples: selectInstant(expr, context) };
    case 'range':
      return selectRange(expr, context);
    case 'negate': {
      const operand = evaluateExpr(expr.operand, context);
      if (operand.type === 'scalar') return { type: 'scalar', value: -operand.value };
      return vector(
        expr,
        context,
        mapValues(asVector(operand), (value) => -value),
      );
    }
    case 'binary': {
      const left = evaluateExpr(expr.left, context);
      const right = evaluateExpr(expr.right, context);
      const value = evaluateBinary(expr, left, right, (message) => evaluationError(expr, context, message));
      return value.type === 'vector' ? vector(expr, context, value.samples) : value;
    }
    case 'aggregate': {
      const parameter = expr.parameter ? asScalar(evaluateExpr(expr.parameter, context)) : 0;
      const samples = asVector(evaluateExpr(expr.operand, context));
      return vector(expr, context, aggregate(expr, samples, parameter));
    }
    case 'call':
      return evaluateCall(expr, context);
  }
}

function evaluateCall(expr: Call, context: EvaluationContext): PromqlValue {
  const argument = (index: number): PromqlValue => {
    const node = expr.args[index];
    if (!node) throw evaluationError(expr, context, `\`${expr.name}\` lacks argument ${index + 1}`);
    return evaluateExpr(node, context);
  };
  const samplesOf = (index: number) => asVector(argument(index));
  const scalarOf = (index: number) => asScalar(argument(index));
  const overRange = RANGE_FUNCTIONS.get(expr.name);
  if (overRange) {
    return vector(expr, context, overRange(asMatrix(argument(0)), context.leftOpen));
  }
  switch (expr.name) {
    case 'time':
      return { type: 'scalar', value: context.tMs / 1_000 };
    case 'vector':
      return { type: 'vector', samples: [{ labels: {}, value: scalarOf(0) }] };
    case 'scalar': {
      const samples = samplesOf(0);
      return { type: 'scalar', value: samples.length === 1 ? (samples[0]?.value ?? Number.NaN) : Number.NaN };
    }
    case 'absent':
    case 'absent_over_time': {
      const value = argument(0);
      const found = value.type === 'matrix' ? value.series.length : asVector(value).length;
      const samples = found > 0 ? [] : [{ labels: absentLabels(expr.args[0]), value: 1 }];
      return { type: 'vector', samples };
    }
    case 'abs':
      return vector(expr, context, mapValues(samplesOf(0), Math.abs));
    case 'ceil':
      return vector(expr, context, mapValues(samplesOf(0), Math.ceil));
    case 'floor':
      return vector(expr, context, mapValues(samplesOf(0), Math.floor));
    case 'clamp_min':
      return vector(expr, context, clamp(samplesOf(0), scalarOf(1), Number.POSITIVE_INFINITY));
    case 'clamp_max':
      return vector(expr, context, clamp(samplesOf(0), Number.NEGATIVE_INFINITY, scalarOf(1)));
    case 'clamp':
      return vector(expr, context, clamp(samplesOf(0), scalarOf(1), scalarOf(2)));
    case 'quantile_over_time':
      return vector(expr, context, quantileOverTime(scalarOf(0), asMatrix(argument(1)).series));
    case 'histogram_quantile':
      return vector(expr, context, histogramQuantile(scalarOf(0), samplesOf(1)));
    case 'label_replace': {
      const text = (index: number) => {
        const value = argument(index);
        if (value.type !== 'string') throw evaluationError(expr, context, `argument ${index + 1} must be a string`);
        return value.value;
      };
      try {
        return vector(expr, context, labelReplace(samplesOf(0), text(1), text(2), text(3), text(4)));
      } catch (error) {
        if (error instanceof SyntaxError) throw evaluationError(expr, context, error.message);
        throw error;
      }
    }
    default:
      throw evaluationError(expr, context, `no function \`${expr.name}\``);
  }
}

function selectInstant(expr: VectorSelector, context: EvaluationContext): Sample[] {
  const atMs = context.tMs - expr.offsetMs;
  const oldestMs = atMs - context.lookbackMs;
  const samples: Sample[] = [];
  for (const series of context.store.select(expr.matchers)) {
    const index = series.countUntil(atMs) - 1;
    if (index < 0 || series.isStaleAt(index)) continue;
    const time = series.timeAt(index);
    if (time < oldestMs || (context.leftOpen && time === oldestMs)) continue;
    samples.push({ labels: series.labels, value: series.valueAt(index) });
  }
  return samples;
}

function selectRange(expr: MatrixSelector, context: EvaluationContext): PromqlValue {
  const endMs = context.tMs - expr.selector.offsetMs;
  const startMs = endMs - expr.rangeMs;
  const found: RangeSeries[] = [];
  for (const series of context.store.select(expr.selector.matchers)) {
    const end = series.countUntil(endMs);
    let begin = series.countUntil(startMs);
    if (!context.leftOpen && begin > 0 && series.timeAt(begin - 1) === startMs) begin -= 1;
    const { times, values } = series.samplesBetween(begin, end);
    if (times.length > 0) found.push({ labels: series.labels, times, values });
  }
  return { type: 'matrix', series: found, startMs, endMs };
}

/** A vector, after the check that no label set is in it twice (functions drop names, and then two series may fall together). */
function vector(expr: Expr, context: EvaluationContext, samples: Vector): PromqlValue {
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = labelKey(sample.labels);
    if (seen.has(key)) throw evaluationError(expr, context, `the result has the label set {${key}} more than once`);
    seen.add(key);
  }
  return { type: 'vector', samples };
}

function evaluationError(expr: Expr, context: EvaluationContext, message: string): PromqlError {
  return new PromqlError('PROMQL_EVALUATION', message, context.source, expr.offset);
}

// The types were checked when the expression was parsed: another type here is a bug of this program.
function asVector(value: PromqlValue): Vector {
  if (value.type !== 'vector') throw new TypeError(`expected an instant vector, got a ${value.type}`);
  return value.samples;
}

function asScalar(value: PromqlValue): number {
  if (value.type !== 'scalar') throw new TypeError(`expected a scalar, got a ${value.type}`);
  return value.value;
}

function asMatrix(value: PromqlValue): Extract<PromqlValue, { type: 'matrix' }> {
  if (value.type !== 'matrix') throw new TypeError(`expected a range vector, got a ${value.type}`);
  return value;
}
