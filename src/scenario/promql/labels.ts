/** The labels of one series; the metric's name is the label `__name__`. A label with an empty value is the same as none. */
export type Labels = Readonly<Record<string, string>>;

/** The label under which Prometheus keeps a metric's name. */
export const METRIC_NAME = '__name__';

/** One string for one label set, whatever the order in which the labels were given. Equal strings mean equal sets. */
export function labelKey(labels: Labels): string {
  const names = Object.keys(labels).sort();
  let key = '';
  for (const name of names) {
    const value = labels[name];
    // JSON quoting keeps the parts apart whatever bytes a value has.
    if (value !== undefined && value !== '') key += `${name}${JSON.stringify(value)}`;
  }
  return key;
}

/** Only the labels named here. */
export function keepLabels(labels: Labels, names: readonly string[]): Labels {
  const kept: Record<string, string> = {};
  for (const name of names) {
    const value = labels[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** All labels but the ones named here. */
export function dropLabels(labels: Labels, names: readonly string[]): Labels {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels)) if (!names.includes(name)) kept[name] = value;
  return kept;
}

/** The labels without the metric's name: what every operation that changes a value leaves. */
export function dropMetricName(labels: Labels): Labels {
  return METRIC_NAME in labels ? dropLabels(labels, [METRIC_NAME]) : labels;
}

/** `name{a="b"}`, as Prometheus prints a series. */
export function formatLabels(labels: Labels): string {
  const pairs = Object.keys(labels)
    .filter((name) => name !== METRIC_NAME)
    .sort()
    .map((name) => `${name}=${JSON.stringify(labels[name])}`);
  const name = labels[METRIC_NAME] ?? '';
  return pairs.length === 0 && name !== '' ? name : `${name}{${pairs.join(', ')}}`;
}
