import { z } from 'zod';
import type { Observations } from '../scenario/observations.ts';
import type { RunRecord } from '../scenario/runRecord.ts';
import type { Guilt } from './guilt.ts';

/**
 * What `report.json` holds: a run and where it went wrong, but for what is by far the longest: the history, which is
 * `history.ndjson.gz` beside it, and messages and spans, which are in the page and in `trace.perfetto.json`.
 */
export type Report = Omit<RunRecord, 'history' | 'observations'> & {
  readonly guilt?: readonly Guilt[];
  readonly observations?: Pick<Observations, 'logs' | 'states' | 'dropped'>;
};

const ms = z.number().describe('virtual milliseconds since the run began');
const duration = z.number().nonnegative().describe('milliseconds');
const count = z.int().nonnegative();
const plain = z.unknown().describe('plain data');
const labels = z.record(z.string(), z.string());
const verdict = z
  .enum(['held', 'violated', 'undecided'])
  .describe('held: everything expected came true; undecided: a checker or a bound gave up');
const outcomes = { ok: count, fail: count, info: count };

const timelineEntry = z.strictObject({
  atMs: ms,
  kind: z.enum([
    'phase',
    'load',
    'fault-start',
    'fault-end',
    'alert-pending',
    'alert-firing',
    'alert-resolved',
    'operator',
    'log',
    'crash',
    'start',
    'exit',
    'expectation',
    'violation',
    'note',
  ]),
  node: z.string().exactOptional(),
  text: z.string(),
  data: plain.exactOptional(),
});

const fault = z
  .strictObject({
    id: count.describe('what operations of history.ndjson.gz name in `faults`'),
    name: z.string().describe('family.fault'),
    nodes: z.array(z.string()),
    parameters: plain,
    text: z.string(),
    startMs: ms,
    endMs: ms.exactOptional().describe('when it was healed; absent: never healed, or nothing to heal'),
    lastsMs: duration
      .exactOptional()
      .describe(
        'how long it is felt if nobody heals it: 0 for one that strikes and is over; absent: until it is healed',
      ),
  })
  .describe('a fault as it was applied');

const alert = z
  .strictObject({
    name: z.string(),
    labels,
    annotations: labels,
    expr: z.string(),
    forMs: duration,
    severity: z.string(),
    pendingMs: ms,
    firingMs: ms.exactOptional().describe('absent: it never fired'),
    resolvedMs: ms.exactOptional(),
  })
  .describe('an alert that became pending, over its whole life');

const metric = z
  .strictObject({
    name: z.string(),
    help: z.string(),
    type: z.string(),
    series: z.array(
      z.strictObject({
        labels,
        points: z.array(z.tuple([z.number(), z.number()])).describe('[virtual ms, value], ascending'),
      }),
    ),
  })
  .describe('a metric over time, as it was scraped');

const operations = z
  .strictObject({
    total: count,
    ...outcomes,
    byName: z.record(
      z.string(),
      z.strictObject({
        ...outcomes,
        latency: z.strictObject({ count, p50Ms: duration, p99Ms: duration, maxMs: duration }),
      }),
    ),
    errors: z.record(z.string(), count),
    windows: z.array(z.strictObject({ fromMs: ms, toMs: ms, ...outcomes, p99Ms: duration })),
  })
  .describe('what the clients saw');

const violation = z
  .strictObject({
    check: z.string(),
    message: z.string(),
    atMs: ms.exactOptional().describe('when it became visible'),
    fromMs: ms.exactOptional().describe('when all of it was still well, as far as that can be shown'),
    node: z.string().exactOptional(),
    operations: z.array(count).exactOptional().describe('ids of the operations of history.ndjson.gz that show it'),
    evidence: plain.exactOptional(),
  })
  .describe('evidence that something that must hold did not');

const suspect = z.strictObject({
  id: count.describe('number of the fault in `faults`'),
  name: z.string(),
  text: z.string(),
  fromMs: ms,
  toMs: ms,
  isOnNode: z.boolean().describe('it hit the node that is blamed, or nobody in particular'),
});

const guilt = z
  .strictObject({
    check: z.string(),
    node: z.string().exactOptional(),
    fromMs: ms.describe('the last moment at which all was shown to be well'),
    toMs: ms.describe('the first at which it was seen broken'),
    since: z.enum(['shown', 'operation', 'none']).describe('how the beginning is known; none: it is that of the run'),
    faults: z.array(suspect).describe('felt in it, the likeliest first'),
    before: suspect.exactOptional().describe('the last fault before it, when there was none in it'),
    states: z.array(z.strictObject({ atMs: ms, node: z.string().exactOptional(), text: z.string() })),
    operations: z.array(count),
    sentence: z.string(),
  })
  .describe('where a violated run went wrong: a stretch for each check that was violated');

const observations = z
  .strictObject({
    logs: z.array(
      z.strictObject({
        atMs: ms,
        node: z.string(),
        incarnation: count,
        level: z.enum(['debug', 'info', 'warn', 'error']),
        message: z.string(),
        fields: z.record(z.string(), plain),
      }),
    ),
    states: z.array(
      z.strictObject({
        atMs: ms,
        node: z.string(),
        state: z.enum(['starting', 'up', 'stopping', 'stopped', 'crashed', 'exited']),
      }),
    ),
    dropped: z.strictObject({ messages: count, spans: count, logs: count }),
  })
  .describe('what was seen beyond what the verdict needs; only of a run that was observed, as replay does');

/** The shape of `report.json`: the one source of its published JSON schema. Unknown keys are errors. */
export const reportSchema: z.ZodType<Report> = z.strictObject({
  version: z.literal(1),
  title: z.string(),
  source: z.string().exactOptional(),
  description: z.string().exactOptional(),
  engine: z.string(),
  file: z.string().exactOptional().describe('path of the scenario file as it was given'),
  scenario: z.string().describe('the scenario as it ran, after --set: YAML'),
  seed: count,
  mutants: z.array(z.string()).exactOptional().describe('bugs that were planted in the engine'),
  commit: z.string(),
  nodeVersion: z.string(),
  command: z.string().describe('what to paste to see this run again'),
  verdict,
  reasons: z.array(z.string()).describe('why the verdict is not held'),
  virtualMs: duration,
  realMs: duration,
  events: count,
  fingerprint: z.string().regex(/^[0-9a-f]{16}$/),
  nodes: z.array(z.strictObject({ name: z.string(), role: z.enum(['engine', 'client']) })),
  timeline: z.array(timelineEntry),
  faults: z.array(fault),
  alerts: z.array(alert),
  metrics: z.array(metric),
  operations,
  expectations: z.array(z.strictObject({ text: z.string(), outcome: verdict, detail: z.string() })),
  violations: z.array(violation),
  probes: z.array(z.strictObject({ name: z.string(), reached: z.boolean() })),
  coverage: z.array(z.string()).describe('what was reached: `probe: NAME`, `disk.stall × degraded`'),
  guilt: z.array(guilt).exactOptional(),
  observations: observations.exactOptional(),
});

/** What `scenarios/report.schema.json` must contain. */
export function reportSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(reportSchema, { io: 'output' });
  return `${JSON.stringify({ $schema, title: 'Hotfire report', ...schema }, null, 2)}\n`;
}
