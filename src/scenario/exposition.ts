import type { ScrapedSample } from './promql/scrape.ts';

/** What a page says of a metric beside its samples. */
export interface MetricFamily {
  readonly help: string;
  readonly type: string;
}

export interface ExpositionPage {
  readonly families: ReadonlyMap<string, MetricFamily>;
  readonly samples: readonly ScrapedSample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/;
const labelPart = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/y;

/**
 * Reads Prometheus' text exposition format, version 0.0.4. Timestamps of samples are ignored, as with
 * `honor_timestamps: false`. Throws with the line that is none.
 */
export function parseExposition(text: string): ExpositionPage {
  const families = new Map<string, MetricFamily>();
  const samples: ScrapedSample[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('#')) {
      const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
      const known = families.get(name) ?? { help: '', type: 'untyped' };
      if (keyword === 'HELP') families.set(name, { ...known, help: rest });
      if (keyword === 'TYPE') families.set(name, { ...known, type: rest });
      continue;
    }
    const match = sampleLine.exec(line);
    if (match?.[1] === undefined || match[3] === undefined) throw new Error(`expected a sample, got ${line}`);
    samples.push({ name: match[1], labels: parseLabels(match[2] ?? '', line), value: parseValue(match[3], line) });
  }
  return { families, samples };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPart.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const match = labelPart.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) throw new Error(`expected labels, got ${line}`);
    labels[match[1]] = match[2].replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    end = labelPart.lastIndex;
  }
  return labels;
}

function parseValue(text: string, line: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  const value = Number(text);
  if (Number.isNaN(value) && !/^nan$/i.test(text)) throw new Error(`expected a number, got ${line}`);
  return value;
}
