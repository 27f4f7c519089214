import fc from 'fast-check';
import type { InputSeries, Point } from './promtool.ts';

/** Samples of one world: 60, one every 15 s. */
export const POINTS = 60;
export const INTERVAL_MS = 15_000;

const INSTANCES = ['a', 'b', 'c'];

/** Series of a small cluster: counters with resets, gauges, histograms; with gaps, endings, NaN and infinities. */
export const world: fc.Arbitrary<InputSeries[]> = fc
  .tuple(
    fc.tuple(...INSTANCES.flatMap((instance) => ['x', 'y'].map((job) => counter({ instance, job })))),
    fc.tuple(...INSTANCES.map((instance) => gauges(instance))),
    histogram(),
  )
  .map(([counters, allGauges, buckets]) => [...counters, ...allGauges.flat(), ...buckets]);

function counter(labels: Record<string, string>): fc.Arbitrary<InputSeries> {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 40 }) },
    { weight: 1, arbitrary: fc.constant(0) },
  );
  return fc
    .tuple(
      fc.array(step, { minLength: POINTS, maxLength: POINTS }),
      interruptions(),
      fc.integer({ min: 0, max: 3_000 }),
    )
    .map(([steps, holes, start]) => {
      let total = start;
      const points = steps.map((increment, index): Point => {
        total = holes[index] === 'reset' ? increment : total + increment;
        return pointOf(holes[index], total);
      });
      return { name: 'c_total', labels, points };
    });
}

function gauges(instance: string): fc.Arbitrary<InputSeries[]> {
  const value = fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -200, max: 200 }).map((quarter) => quarter / 4) },
    { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY) },
  );
  const one = (name: string, labels: Record<string, string>) =>
    fc.tuple(fc.array(value, { minLength: POINTS, maxLength: POINTS }), interruptions()).map(
      ([values, holes]): InputSeries => ({
        name,
        labels,
        points: values.map((current, index) => pointOf(holes[index], current)),
      }),
    );
  return fc.tuple(
    one('g', { instance, zone: instance === 'a' ? 'north' : 'south' }),
    one('limit', { instance }),
    one('g2', { instance, job: 'x', zone: 'north' }),
  );
}

function histogram(): fc.Arbitrary<InputSeries[]> {
  const bounds = ['0.1', '0.5', '1', '2.5', '+Inf'];
  return fc
    .tuple(
      ...['a', 'b'].map((instance) =>
        fc
          .array(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 5, maxLength: 5 }), {
            minLength: POINTS,
            maxLength: POINTS,
          })
          .map((rounds) => {
            const totals = bounds.map(() => 0);
            const points: number[][] = bounds.map(() => []);
            for (const round of rounds) {
              let below = 0;
              round.forEach((count, bucket) => {
                below += count;
                totals[bucket] = (totals[bucket] ?? 0) + below;
                points[bucket]?.push(totals[bucket] ?? 0);
              });
            }
            return bounds.map(
              (le, bucket): InputSeries => ({
                name: 'h_bucket',
                labels: { instance, le },
                points: points[bucket] ?? [],
              }),
            );
          }),
      ),
    )
    .map((both) => both.flat());
}

type Hole = 'none' | 'gap' | 'stale' | 'reset';

function interruptions(): fc.Arbitrary<Hole[]> {
  const hole = fc.oneof(
    { weight: 60, arbitrary: fc.constant<Hole>('none') },
    { weight: 4, arbitrary: fc.constantFrom<Hole>('gap', 'stale', 'reset') },
  );
  // Some series break off: the lookback and the end of ranges must be seen.
  return fc
    .tuple(fc.array(hole, { minLength: POINTS, maxLength: POINTS }), fc.integer({ min: 10, max: POINTS * 2 }))
    .map(([holes, end]) => holes.map((one, index) => (index >= end ? 'gap' : one)));
}

function pointOf(hole: Hole | undefined, value: number): Point {
  return hole === 'gap' ? '_' : hole === 'stale' ? 'stale' : value;
}

const duration = fc.constantFrom('15s', '40s', '1m', '2m', '5m', '20m');
const offset = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom(' offset 1m', ' offset -2m', ' offset 50s') },
);
const matchers = fc.constantFrom(
  '',
  '{instance="a"}',
  '{instance!="a"}',
  '{instance=~"a|b"}',
  '{instance!~"a.*"}',
  '{zone="north"}',
  '{job=""}',
  '{instance=~".*"}',
  '{instance="zz"}',
);
const metric = fc.constantFrom('c_total', 'g', 'limit', 'g2', 'nothing');
const number = fc.constantFrom('0', '1', '2', '-3', '0.5', '1e3', 'NaN', 'Inf', '10', '0x1f');
const comparison = fc.constantFrom('==', '!=', '>', '<', '>=', '<=');
const arithmetic = fc.constantFrom('+', '-', '*', '/', '%');
const matching = fc.constantFrom(
  '',
  ' on(instance)',
  ' ignoring(zone)',
  ' ignoring(job, zone)',
  ' on(instance) group_left()',
  ' on(instance) group_right()',
  ' on(instance) group_left(zone)',
  ' ignoring(job) group_left(zone)',
  ' on(instance, zone)',
  ' ignoring(zone) group_right()',
  ' on()',
);

const selector = fc.tuple(metric, matchers, offset).map((parts) => parts.join(''));
const range = fc
  .tuple(metric, matchers, duration, offset)
  .map(([name, labels, length, back]) => `${name}${labels}[${length}]${back}`);
const overRange = fc
  .tuple(
    fc.constantFrom(
      'rate',
      'increase',
      'irate',
      'delta',
      'changes',
      'resets',
      'avg_over_time',
      'min_over_time',
      'max_over_time',
      'sum_over_time',
      'count_over_time',
      'last_over_time',
      'absent_over_time',
    ),
    range,
  )
  .map(([name, argument]) => `${name}(${argument})`);

/** Expressions of the evaluated subset that yield an instant vector. */
export const expression: fc.Arbitrary<string> = fc.letrec<{ vector: string; scalar: string }>((tie) => ({
  scalar: fc.oneof(
    { depthSize: 'small' },
    { weight: 5, arbitrary: number },
    fc.constant('time()'),
    tie('vector').map((inner) => `scalar(${inner})`),
    fc.tuple(tie('scalar'), arithmetic, tie('scalar')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('scalar'), comparison, tie('scalar')).map(([a, op, b]) => `(${a} ${op} bool ${b})`),
  ),
  vector: fc.oneof(
    { depthSize: 'small' },
    { weight: 3, arbitrary: selector },
    { weight: 6, arbitrary: overRange },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom('0.5', '0.99', '-1', '2', '0', '1'),
          fc.constantFrom(
            'h_bucket',
            'rate(h_bucket[2m])',
            'sum by (le) (rate(h_bucket[5m]))',
            'sum by (le, instance) (increase(h_bucket[1m]))',
          ),
        )
        .map(([q, inner]) => `histogram_quantile(${q}, ${inner})`),
    },
    fc
      .tuple(fc.constantFrom('0.1', '0.75', '3', '-1'), range)
      .map(([q, inner]) => `quantile_over_time(${q}, ${inner})`),
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom('sum', 'avg', 'min', 'max', 'count'),
          fc.constantFrom(
            '',
            ' by (instance)',
            ' without (instance)',
            ' by (zone, job)',
            ' by ()',
            ' without ()',
            ' by (__name__)',
          ),
          tie('vector'),
        )
        .map(([op, by, inner]) => `${op}${by} (${inner})`),
    },
    fc
      .tuple(fc.constantFrom('0.3', '0.99', '-1', '1.5'), fc.constantFrom('', ' by (instance)'), tie('vector'))
      .map(([q, by, inner]) => `quantile${by} (${q}, ${inner})`),
    // Which of equals are taken is Prometheus' own business; their sum is not.
    fc
      .tuple(fc.constantFrom('topk', 'bottomk'), fc.constantFrom('1', '2', '0', '9'), tie('vector'))
      .map(([op, k, inner]) => `sum (${op}(${k}, ${inner}))`),
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie('vector'), arithmetic, matching, tie('vector'))
        .map(([a, op, on, b]) => `(${a} ${op}${on} ${b})`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie('vector'), comparison, fc.constantFrom('', ' bool'), matching, tie('vector'))
        .map(([a, op, bool, on, b]) => `(${a} ${op}${bool}${on} ${b})`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          tie('vector'),
          fc.constantFrom('and', 'or', 'unless'),
          fc.constantFrom('', ' on(instance)', ' ignoring(job, zone)', ' on()'),
          tie('vector'),
        )
        .map(([a, op, on, b]) => `(${a} ${op}${on} ${b})`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie('vector'), fc.oneof(arithmetic, comparison), tie('scalar'))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          tie('scalar'),
          fc.oneof(
            arithmetic,
            comparison,
            comparison.map((op) => `${op} bool`),
          ),
          tie('vector'),
        )
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
    },
    fc
      .tuple(fc.constantFrom('abs', 'ceil', 'floor', '-', 'absent', '+'), tie('vector'))
      .map(([name, inner]) => `${name}(${inner})`),
    fc
      .tuple(fc.constantFrom('clamp_min', 'clamp_max'), tie('vector'), tie('scalar'))
      .map(([name, inner, bound]) => `${name}(${inner}, ${bound})`),
    fc
      .tuple(tie('vector'), tie('scalar'), tie('scalar'))
      .map(([inner, low, high]) => `clamp(${inner}, ${low}, ${high})`),
    fc
      .tuple(
        selector,
        fc.constantFrom(
          '"copy", "$1-x", "instance", "(.*)"',
          '"instance", "", "instance", "a"',
          // biome-ignore lint/suspicious/noTemplateCurlyInString: a group of the regular expression, in Go's syntax
          '"zone", "${1}z", "zone", "(n).*"',
          '"copy", "$2", "instance", "(a)|(b)"',
        ),
      )
      .map(([inner, how]) => `label_replace(${inner}, ${how})`),
    tie('scalar').map((inner) => `vector(${inner})`),
  ),
})).vector;
