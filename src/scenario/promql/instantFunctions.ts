import type { Expr } from './ast.ts';
import { dropMetricName, type Labels, METRIC_NAME } from './labels.ts';
import { compileRegex } from './regex.ts';
import type { Sample } from './value.ts';

/** Applies `fn` to every value; the metric's name goes, for the value is no longer that metric. */
export function mapValues(samples: readonly Sample[], fn: (value: number) => number): Sample[] {
  return samples.map((sample) => ({ labels: dropMetricName(sample.labels), value: fn(sample.value) }));
}

/** `clamp`, `clamp_min`, `clamp_max`. Nothing is left when the bounds cross; NaN spreads, but for the infinity that settles it. */
export function clamp(samples: readonly Sample[], min: number, max: number): Sample[] {
  if (max < min) return [];
  return mapValues(samples, (value) => larger(min, smaller(max, value)));
}

// Go's math.Max and math.Min: the infinity wins even over NaN. JavaScript's give NaN.
function larger(a: number, b: number): number {
  return a === Number.POSITIVE_INFINITY || b === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : Math.max(a, b);
}

function smaller(a: number, b: number): number {
  return a === Number.NEGATIVE_INFINITY || b === Number.NEGATIVE_INFINITY ? Number.NEGATIVE_INFINITY : Math.min(a, b);
}

/** The labels that `absent(selector)` can know: those of the matchers `=` that stand alone for their label. */
export function absentLabels(argument: Expr | undefined): Labels {
  const selector = argument?.kind === 'range' ? argument.selector : argument;
  if (selector?.kind !== 'selector') return {};
  const known: Record<string, string> = {};
  const spoiled = new Set<string>();
  for (const { label, operator, value } of selector.matchers) {
    if (label === METRIC_NAME) continue;
    if (operator === '=' && !(label in known)) known[label] = value;
    else spoiled.add(label);
  }
  for (const label of spoiled) delete known[label];
  return known;
}

/** `label_replace(v, destination, replacement, source, regex)`. Throws `SyntaxError` for a bad expression or label name. */
export function labelReplace(
  samples: readonly Sample[],
  destination: string,
  replacement: string,
  source: string,
  regex: string,
): Sample[] {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(destination)) {
    throw new SyntaxError(`label_replace: ${JSON.stringify(destination)} is not a label name`);
  }
  const pattern = compileRegex(regex);
  return samples.map((sample) => {
    const match = pattern.exec(sample.labels[source] ?? '');
    if (!match) return sample;
    const labels: Record<string, string> = { ...sample.labels };
    const value = expandReplacement(replacement, match);
    if (value === '') delete labels[destination];
    else labels[destination] = value;
    return { labels, value: sample.value };
  });
}

/** Go's `Regexp.Expand`: `$1`, `${1}`, `$name`, `${name}`, `$$`. Unknown groups are empty. */
function expandReplacement(template: string, match: RegExpExecArray): string {
  return template.replaceAll(
    /\$(?:(\$)|(\w+)|\{(\w+)\})/g,
    (_, dollar: string | undefined, bare: string | undefined, braced: string | undefined) => {
      if (dollar !== undefined) return '$';
      const name = bare ?? braced ?? '';
      return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? '';
    },
  );
}
