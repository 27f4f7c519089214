import type { Aggregate } from './ast.ts';
import { dropLabels, keepLabels, type Labels, labelKey, METRIC_NAME } from './labels.ts';
import { kahanSum, maximum, mean, minimum, quantile } from './numbers.ts';
import type { Sample } from './value.ts';

interface Group {
  readonly labels: Labels;
  readonly members: Sample[];
}

/** Aggregates the elements of a vector in groups. `parameter` is that of `quantile`, `topk` and `bottomk`. */
export function aggregate(expr: Aggregate, samples: readonly Sample[], parameter: number): Sample[] {
  const groups = new Map<string, Group>();
  for (const sample of samples) {
    const labels = groupLabels(expr, sample.labels);
    const key = labelKey(labels);
    const group = groups.get(key);
    if (group) group.members.push(sample);
    else groups.set(key, { labels, members: [sample] });
  }
  return [...groups.values()].flatMap((group) => {
    if (expr.operator === 'topk') return extremes(group.members, parameter, 1);
    if (expr.operator === 'bottomk') return extremes(group.members, parameter, -1);
    const values = group.members.map((member) => member.value);
    return [{ labels: group.labels, value: reduce(expr.operator, values, parameter) }];
  });
}

function groupLabels(expr: Aggregate, labels: Labels): Labels {
  return expr.grouping === 'by' ? keepLabels(labels, expr.labels) : dropLabels(labels, [...expr.labels, METRIC_NAME]);
}

function reduce(
  operator: Exclude<Aggregate['operator'], 'topk' | 'bottomk'>,
  values: readonly number[],
  parameter: number,
): number {
  switch (operator) {
    case 'sum':
      return kahanSum(values);
    case 'avg':
      return mean(values);
    case 'min':
      return minimum(values);
    case 'max':
      return maximum(values);
    case 'count':
      return values.length;
    case 'quantile':
      return quantile(parameter, values);
  }
}

/** The k largest (sign 1) or smallest (sign -1), in that order; NaN comes last; of equals the first stays first. */
function extremes(members: readonly Sample[], k: number, sign: 1 | -1): Sample[] {
  if (!(k >= 1)) return [];
  const sorted = [...members].sort((a, b) => {
    if (Number.isNaN(a.value)) return Number.isNaN(b.value) ? 0 : 1;
    if (Number.isNaN(b.value)) return -1;
    return a.value === b.value ? 0 : a.value > b.value ? -sign : sign;
  });
  return sorted.slice(0, Math.floor(k));
}
