import type { Binary, BinaryOperator, VectorMatching } from './ast.ts';
import { dropLabels, dropMetricName, keepLabels, type Labels, labelKey, METRIC_NAME } from './labels.ts';
import type { PromqlValue, Sample } from './value.ts';

type Fail = (message: string) => Error;
type Vector = readonly Sample[];

/** The value of an element and whether a comparison keeps it. */
interface Outcome {
  readonly value: number;
  readonly keep: boolean;
}

/** A binary operation on values whose types were checked. `fail` makes the error for data that does not allow it. */
export function evaluateBinary(expr: Binary, left: PromqlValue, right: PromqlValue, fail: Fail): PromqlValue {
  if (left.type === 'scalar' && right.type === 'scalar') {
    const { value, keep } = apply(expr.operator, left.value, right.value);
    return { type: 'scalar', value: expr.bool ? Number(keep) : value };
  }
  if (left.type === 'vector' && right.type === 'scalar') {
    return { type: 'vector', samples: withScalar(expr, left.samples, right.value, false) };
  }
  if (left.type === 'scalar' && right.type === 'vector') {
    return { type: 'vector', samples: withScalar(expr, right.samples, left.value, true) };
  }
  if (left.type !== 'vector' || right.type !== 'vector') {
    throw new TypeError(`\`${expr.operator}\` between a ${left.type} and a ${right.type}`);
  }
  return { type: 'vector', samples: betweenVectors(expr, left.samples, right.samples, fail) };
}

function betweenVectors(expr: Binary, left: Vector, right: Vector, fail: Fail): Sample[] {
  const signature = signatureOf(expr.matching);
  switch (expr.operator) {
    case 'and': {
      const present = new Set(right.map(signature));
      return left.filter((sample) => present.has(signature(sample)));
    }
    case 'unless': {
      const present = new Set(right.map(signature));
      return left.filter((sample) => !present.has(signature(sample)));
    }
    case 'or': {
      const present = new Set(left.map(signature));
      return [...left, ...right.filter((sample) => !present.has(signature(sample)))];
    }
    default:
      return matched(expr, left, right, fail);
  }
}

function withScalar(expr: Binary, samples: Vector, scalar: number, scalarIsLeft: boolean): Sample[] {
  const result: Sample[] = [];
  for (const sample of samples) {
    const [a, b] = scalarIsLeft ? [scalar, sample.value] : [sample.value, scalar];
    const { value, keep } = apply(expr.operator, a, b);
    if (expr.bool) result.push({ labels: dropMetricName(sample.labels), value: Number(keep) });
    else if (isArithmetic(expr.operator)) result.push({ labels: dropMetricName(sample.labels), value });
    // A filter gives the vector's own value, on whichever side it stands.
    else if (keep) result.push(sample);
  }
  return result;
}

/** One-to-one, many-to-one and one-to-many matching (Prometheus: engine.VectorBinop). */
function matched(expr: Binary, left: Vector, right: Vector, fail: Fail): Sample[] {
  // Nothing can match, so nothing can match twice either: Prometheus asks this first.
  if (left.length === 0 || right.length === 0) return [];
  const { matching, operator } = expr;
  const signature = signatureOf(matching);
  const swapped = matching.cardinality === 'one-to-many';
  const [many, one] = swapped ? [right, left] : [left, right];
  const bySignature = new Map<string, Sample>();
  for (const sample of one) {
    const key = signature(sample);
    if (bySignature.has(key)) {
      const side = swapped ? 'left' : 'right';
      throw fail(
        `the ${side} side has several series for the match group {${key}}: many-to-many matching is not allowed`,
      );
    }
    bySignature.set(key, sample);
  }
  const taken = new Set<string>();
  const result: Sample[] = [];
  for (const sample of many) {
    const key = signature(sample);
    const partner = bySignature.get(key);
    if (!partner) continue;
    const [a, b] = swapped ? [partner.value, sample.value] : [sample.value, partner.value];
    const { value, keep } = apply(operator, a, b);
    if (!keep && !expr.bool) continue;
    const labels = resultLabels(expr, sample.labels, partner.labels);
    const group = matching.cardinality === 'one-to-one' ? key : `${key} ${labelKey(labels)}`;
    if (taken.has(group)) {
      throw fail(
        matching.cardinality === 'one-to-one'
          ? `several series on the left for the match group {${key}}: many-to-one matching must be explicit (group_left, group_right)`
          : `several results for the match group {${key}}: the grouping labels must tell them apart`,
      );
    }
    taken.add(group);
    result.push({ labels, value: expr.bool ? Number(keep) : value });
  }
  return result;
}

function resultLabels(expr: Binary, many: Labels, one: Labels): Labels {
  const { matching, operator } = expr;
  let labels = isArithmetic(operator) || expr.bool ? dropMetricName(many) : many;
  if (matching.cardinality === 'one-to-one') {
    labels = matching.kind === 'on' ? keepLabels(labels, matching.labels) : dropLabels(labels, matching.labels);
  }
  if (matching.include.length === 0) return labels;
  const extended: Record<string, string> = { ...labels };
  for (const name of matching.include) {
    const value = one[name];
    if (value === undefined) delete extended[name];
    else extended[name] = value;
  }
  return expr.bool ? dropMetricName(extended) : extended;
}

function signatureOf(matching: VectorMatching): (sample: Sample) => string {
  return matching.kind === 'on'
    ? (sample) => labelKey(keepLabels(sample.labels, matching.labels))
    : (sample) => labelKey(dropLabels(sample.labels, [...matching.labels, METRIC_NAME]));
}

function isArithmetic(operator: BinaryOperator): boolean {
  return operator === '+' || operator === '-' || operator === '*' || operator === '/' || operator === '%';
}

function apply(operator: BinaryOperator, a: number, b: number): Outcome {
  switch (operator) {
    case '+':
      return { value: a + b, keep: true };
    case '-':
      return { value: a - b, keep: true };
    case '*':
      return { value: a * b, keep: true };
    case '/':
      return { value: a / b, keep: true };
    case '%':
      return { value: a % b, keep: true };
    case '==':
      return { value: a, keep: a === b };
    case '!=':
      return { value: a, keep: a !== b };
    case '>':
      return { value: a, keep: a > b };
    case '<':
      return { value: a, keep: a < b };
    case '>=':
      return { value: a, keep: a >= b };
    case '<=':
      return { value: a, keep: a <= b };
    case 'and':
    case 'or':
    case 'unless':
      throw new TypeError(`\`${operator}\` works on whole vectors`);
  }
}
