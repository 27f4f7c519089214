import { z } from 'zod';
import { parseDuration } from '../faults/units.ts';

/** The small sentences of a scenario file, parsed: what triggers a step, and at which moment something must hold. */

/** What a step waits for. */
export type Trigger =
  | { readonly kind: 'alert'; readonly name: string; readonly change: 'fires' | 'resolves' }
  | { readonly kind: 'metric'; readonly expr: string }
  | { readonly kind: 'log'; readonly text: string }
  | { readonly kind: 'node'; readonly node: string; readonly state: string };

/** States of a node that a trigger can name. */
export const nodeStates = ['starting', 'up', 'stopping', 'stopped', 'crashed', 'exited'] as const;

/** `alert X fires`, `metric EXPR`, `log TEXT`, `node N is up`; undefined if it is none of these. */
export function parseTrigger(text: string): Trigger | undefined {
  const alert = /^alert ([A-Za-z_][A-Za-z0-9_]*) (fires|resolves)$/.exec(text);
  if (alert?.[1] !== undefined) {
    return { kind: 'alert', name: alert[1], change: alert[2] === 'fires' ? 'fires' : 'resolves' };
  }
  const node = /^node (\S+) is (\S+)$/.exec(text);
  if (node?.[1] !== undefined && node[2] !== undefined) {
    return nodeStates.some((state) => state === node[2]) ? { kind: 'node', node: node[1], state: node[2] } : undefined;
  }
  const log = /^log (.+)$/.exec(text)?.[1];
  if (log !== undefined) return { kind: 'log', text: log };
  const expr = /^metric (.+)$/s.exec(text)?.[1];
  return expr === undefined ? undefined : { kind: 'metric', expr };
}

/** A span after a step's beginning or end, or after the start of the run. */
export interface Moment {
  readonly ms: number;
  /** Undefined: since the start of the run. */
  readonly step?: string;
}

/** `90s of partition`, or `90s` since the start of the run. */
export function parseMoment(text: string): Moment | undefined {
  const match = /^(\S+)(?: of ([a-z][a-z0-9-]*))?$/.exec(text);
  const ms = parseDuration(match?.[1] ?? '');
  if (ms === undefined) return undefined;
  return match?.[2] === undefined ? { ms } : { ms, step: match[2] };
}

/** A point of the run. */
export type Point =
  | { readonly kind: 'end' }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'step'; readonly step: string; readonly edge: 'start' | 'end'; readonly ms: number };

/** What a metric expectation says: an expression, and when it must give a result. */
export interface MetricExpectation {
  readonly text: string;
  readonly expr: string;
  /** `always`: at every scrape of the window. `ever`: at one of them at least. */
  readonly quantifier: 'always' | 'ever';
  readonly from: Point;
  readonly to: Point;
}

/** `end`, `10m`, `STEP`, `2m after STEP`, `2m after end of STEP`. */
export function parsePoint(text: string): Point | undefined {
  if (text === 'end') return { kind: 'end' };
  const ms = parseDuration(text);
  if (ms !== undefined) return { kind: 'time', ms };
  const match = /^(?:(\S+) after )?(end of )?([a-z][a-z0-9-]*)$/.exec(text);
  if (match?.[3] === undefined) return undefined;
  const delay = match[1] === undefined ? 0 : parseDuration(match[1]);
  if (delay === undefined) return undefined;
  return { kind: 'step', step: match[3], edge: match[2] === undefined ? 'start' : 'end', ms: delay };
}

/** `EXPR at POINT`, `EXPR [ever] during STEP`, `EXPR [ever] from POINT to POINT`. */
export function parseMetricExpectation(text: string): MetricExpectation | undefined {
  const at = /^(.+) at ([^()"]+)$/s.exec(text);
  if (at?.[1] !== undefined && at[2] !== undefined) {
    const point = parsePoint(at[2].trim());
    return point && { text, expr: at[1].trim(), quantifier: 'always', from: point, to: point };
  }
  const during = /^(.+?)( ever)? during ([a-z][a-z0-9-]*)$/s.exec(text);
  if (during?.[1] !== undefined && during[3] !== undefined) {
    const step = during[3];
    return {
      text,
      expr: during[1].trim(),
      quantifier: during[2] === undefined ? 'always' : 'ever',
      from: { kind: 'step', step, edge: 'start', ms: 0 },
      to: { kind: 'step', step, edge: 'end', ms: 0 },
    };
  }
  const range = /^(.+?)( ever)? from ([^()"]+) to ([^()"]+)$/s.exec(text);
  if (range?.[1] === undefined || range[3] === undefined || range[4] === undefined) return undefined;
  const from = parsePoint(range[3].trim());
  const to = parsePoint(range[4].trim());
  if (from === undefined || to === undefined) return undefined;
  return { text, expr: range[1].trim(), quantifier: range[2] === undefined ? 'always' : 'ever', from, to };
}

/** How long a part of the service may go without an operation that it did. */
export interface GapExpectation {
  readonly text: string;
  readonly ms: number;
  readonly from: Point;
  readonly to: Point;
}

/** `3s from POINT to POINT`. */
export function parseGap(text: string): GapExpectation | undefined {
  const match = /^(\S+) from (.+) to (.+)$/.exec(text);
  const ms = parseDuration(match?.[1] ?? '');
  const from = parsePoint(match?.[2]?.trim() ?? '');
  const to = parsePoint(match?.[3]?.trim() ?? '');
  return ms === undefined || from === undefined || to === undefined ? undefined : { text, ms, from, to };
}

/** Steps that a point refers to. */
export function stepsOf(points: readonly (Point | Moment | undefined)[]): string[] {
  return points.flatMap((point) =>
    point !== undefined && 'step' in point && point.step !== undefined ? [point.step] : [],
  );
}

/** A string that must parse; the error says what was expected. */
function sentence<T>(parse: (text: string) => T | undefined, expected: string): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    context.addIssue(`expected ${expected}, got ${JSON.stringify(text)}`);
    return z.NEVER;
  });
}

export const trigger = sentence(
  parseTrigger,
  `'alert NAME fires', 'alert NAME resolves', 'metric EXPR', 'log TEXT' or 'node NAME is STATE' (${nodeStates.join(', ')})`,
);
export const moment = sentence(parseMoment, "a duration, as '90s of STEP' or '90s' since the start");
export const metricExpectation = sentence(
  parseMetricExpectation,
  "'EXPR at end', 'EXPR at 2m after STEP', 'EXPR during STEP', 'EXPR ever during STEP' or 'EXPR from 1m to 5m'",
);
export const gapExpectation = sentence(
  parseGap,
  "a duration and its window, as '3s from STEP to 10s after end of STEP'",
);
