import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { formatDuration } from '../../../src/scenario/promql/duration.ts';

/** Whether promtool, the reference, is on this machine. */
export const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

/** Which semantics the installed promtool has. */
export const promtoolSemantics: 'v2' | 'v3' = /version 2\./.test(
  spawnSync('promtool', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)
  ? 'v2'
  : 'v3';

/** A sample, `_` for none, or a staleness marker. */
export type Point = number | '_' | 'stale';

export interface InputSeries {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** One every `intervalMs`, from 0. */
  readonly points: readonly Point[];
}

/** One world of a promtool unit test. */
export interface PromtoolCase {
  readonly intervalMs: number;
  readonly series: readonly InputSeries[];
  readonly queries: readonly { readonly expr: string; readonly atMs: number }[];
  readonly alerts?: readonly { readonly name: string; readonly atMs: number }[];
}

export interface PromtoolSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What promtool says: for every query its samples, or `error`. */
export interface PromtoolAnswer {
  readonly queries: readonly (readonly PromtoolSample[] | 'error')[];
  /** For every asked alert those that fire, with their labels and annotations as promtool prints them. */
  readonly alerts: readonly (readonly { labels: Record<string, string>; annotations: Record<string, string> }[])[];
}

/**
 * Asks promtool what it gets. Its unit tests only compare, so each query expects a sample that cannot be there: then
 * promtool prints what it got, in full precision.
 */
export function askPromtool(cases: readonly PromtoolCase[], rules?: string): PromtoolAnswer[] {
  const directory = mkdtempSync(join(tmpdir(), 'promtool-'));
  try {
    if (rules !== undefined) writeFileSync(join(directory, 'rules.yaml'), rules);
    // One file a case: promtool prints the failures of a file together, under its name.
    const files = cases.map((testCase, index) => {
      const name = `case-${index}.yaml`;
      writeFileSync(join(directory, name), unitTest(testCase, rules !== undefined));
      return name;
    });
    const run = spawnSync('promtool', ['test', 'rules', ...files], {
      cwd: directory,
      encoding: 'utf8',
      maxBuffer: 1 << 30,
    });
    // The headings go to one stream and the failures to the other, both in the order of the files.
    const texts = run.stderr.split(/^ {2}FAILED:$/m).slice(1);
    if (texts.length !== cases.length) {
      throw new Error(`promtool: ${cases.length} files, ${texts.length} answers: ${run.stderr.slice(0, 2_000)}`);
    }
    return cases.map((testCase, index) => parseAnswer(texts[index] ?? '', testCase));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function unitTest(testCase: PromtoolCase, withRules: boolean): string {
  const impossible = [{ labels: '{impossible="1"}', value: 0 }];
  return stringify({
    rule_files: withRules ? ['rules.yaml'] : [],
    evaluation_interval: `${testCase.intervalMs}ms`,
    tests: [
      {
        interval: `${testCase.intervalMs}ms`,
        input_series: testCase.series.map(({ name, labels, points }) => ({
          series: `${name}{${Object.entries(labels)
            .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
            .join(',')}}`,
          values: points.join(' ').replaceAll('Infinity', 'Inf'),
        })),
        promql_expr_test: testCase.queries.map(({ expr, atMs }, index) => ({
          // The comment makes every query's text its own: promtool names failures by it.
          expr: `${expr} # ${index}`,
          eval_time: `${atMs}ms`,
          exp_samples: impossible,
        })),
        alert_rule_test: (testCase.alerts ?? []).map(({ name, atMs }) => ({
          eval_time: `${atMs}ms`,
          alertname: name,
          exp_alerts: [{ exp_labels: { impossible: '1' } }],
        })),
      },
    ],
  });
}

function parseAnswer(text: string, testCase: PromtoolCase): PromtoolAnswer {
  const queries: (PromtoolSample[] | 'error')[] = [];
  const blocks = text.split(/^ {4}(?=expr: |alertname: )/m);
  for (const block of blocks) {
    const index = /^expr: ".* # (\d+)", time/.exec(block)?.[1];
    if (index === undefined) continue;
    const got = /^ {8}got: (.*)$/m.exec(block)?.[1];
    queries[Number(index)] = got === undefined ? 'error' : got === 'nil' ? [] : parseSamples(got);
  }
  for (let index = 0; index < testCase.queries.length; index += 1) {
    if (!queries[index]) throw new Error(`promtool gave no answer for ${testCase.queries[index]?.expr}: ${text}`);
  }
  const alerts = (testCase.alerts ?? []).map(({ name, atMs }) => {
    const block = blocks.find((one) => one.startsWith(`alertname: ${name}, time: ${formatDuration(atMs)},`));
    if (!block) throw new Error(`promtool gave no answer for the alert ${name} at ${formatDuration(atMs)}: ${text}`);
    const got = block.slice(block.indexOf('got:['));
    return [...got.matchAll(/Labels:(\{.*\})\s+Annotations:(\{.*\})/g)].map((match) => ({
      labels: parseLabels(match[1] ?? ''),
      annotations: parseLabels(match[2] ?? ''),
    }));
  });
  return { queries, alerts };
}

function parseSamples(text: string): PromtoolSample[] {
  return [...text.matchAll(/(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}) ([-+]?(?:Inf|[\d.E+-]+)|NaN)/g)].map((match) => ({
    labels: parseLabels(match[1] ?? ''),
    value: Number((match[2] ?? '').replace('Inf', 'Infinity')),
  }));
}

function parseLabels(text: string): Record<string, string> {
  const pairs = text.matchAll(/([a-zA-Z_]\w*)=("(?:[^"\\]|\\.)*")/g);
  return Object.fromEntries(Array.from(pairs, (match) => [match[1] ?? '', String(JSON.parse(match[2] ?? '""'))]));
}
