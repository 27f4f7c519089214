import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ScenarioDocument } from '../../../src/chaos/definition.ts';
import { describeShrinking } from '../../../src/chaos/shrink/describe.ts';
import type { ShrinkProgress } from '../../../src/chaos/shrink/search.ts';
import { shrink } from '../../../src/chaos/shrink/shrink.ts';
import { withNamedSteps, withoutGivenNames, withSteps } from '../../../src/chaos/shrink/timeline.ts';
import { faultsOf, toySearch, toyTrial } from './toy.ts';

const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
const steps = names.map((name, index) => ({
  at: `${100 * index + 37}ms`,
  fault: name,
  nodes: `toy-${(index % 5) + 1}`,
}));
const big: ScenarioDocument = {
  title: 'big',
  engine: 'toy',
  seed: 7,
  duration: '14s',
  cluster: { nodes: 5, config: { a: { b: 1, c: 2 }, d: 3 }, devices: { wal: { bytes: 5 } } },
  load: { writers: 6, think: '300ms', votes: 30, subjects: 10 },
  buggify: true,
  timeline: steps,
};

describe('a run of 40 faults, 5 nodes and a load', () => {
  const needed = ['f3', 'f8', 'f33'];
  /** f3, f8 and f33 are all of node 4. */
  const fails = (document: ScenarioDocument) => needed.every((name) => faultsOf(document).includes(name));

  test('should come down to what matters, each step shown to be necessary', async () => {
    const options = toySearch(big, fails);
    const { document, explanation } = await shrink(options);
    expect(document).toEqual({
      title: 'big',
      engine: 'toy',
      seed: 7,
      duration: '0ms',
      timeline: needed.map((fault) => ({ at: '0ms', fault, nodes: 'toy-1' })),
    });
    expect(explanation.before).toMatchObject({ faults: 40, nodes: 5, operations: 60 });
    expect(explanation.after).toMatchObject({ faults: 3, nodes: 1 });
    expect(explanation.steps.map(({ without }) => without)).toEqual(['holds', 'holds', 'holds']);
    expect(explanation).toMatchObject({ oneMinimal: true, endedBy: 'minimal' });
    expect(explanation.runs).toBe(options.played.length);
    expect(new Set(options.played.map((each) => JSON.stringify(each))).size).toBe(options.played.length);
    expect(describeShrinking(explanation)).toContain('Without any one of the 3 steps');
  });

  test('should come to the same by the same runs', async () => {
    const [one, two] = [toySearch(big, fails), toySearch(big, fails)];
    expect(await shrink(one)).toEqual(await shrink(two));
    expect(one.played).toEqual(two.played);
  });

  test('should stay within its budget, say so, and tell how far it is', async () => {
    const progress: ShrinkProgress[] = [];
    const options = toySearch(big, fails, { runsMax: 12, onProgress: (each) => progress.push(each) });
    const { document, explanation } = await shrink(options);
    expect(options.played.length).toBe(12);
    expect(fails(document)).toBe(true);
    expect(explanation).toMatchObject({ runs: 12, oneMinimal: false, endedBy: 'runs' });
    expect(explanation.steps.filter(({ without }) => without === 'untried').length).toBeGreaterThan(0);
    expect(progress.map(({ runs }) => runs)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    expect(progress.at(-1)).toMatchObject({ runsMax: 12, nodes: 1 });
    expect(describeShrinking(explanation)).toContain('was not shown');
  });

  test('should end with the smallest so far when it is told to stop', async () => {
    const options = toySearch(big, fails, { mayStop: () => options.played.length >= 5 });
    const { document, explanation } = await shrink(options);
    expect(options.played.length).toBe(5);
    expect(fails(document)).toBe(true);
    expect(explanation.endedBy).toBe('stopped');
  });
});

test('should leave a set of faults from which none can go, whatever makes the run fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uniqueArray(fc.constantFrom(...names.slice(0, 12)), { minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 3,
      }),
      async (causes) => {
        const fails = (document: ScenarioDocument) =>
          causes.some((cause) => cause.every((name) => faultsOf(document).includes(name)));
        const { document } = await shrink(toySearch({ ...big, timeline: steps.slice(0, 12) }, fails));
        const left = faultsOf(document);
        expect(fails(document)).toBe(true);
        for (const name of left) {
          const without = left.filter((each) => each !== name);
          expect(causes.some((cause) => cause.every((each) => without.includes(each)))).toBe(false);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('should not take another failure for this one, nor a mistake for any', async () => {
  const options = toySearch(big, () => true);
  const { document } = await shrink({
    ...options,
    async play(candidate) {
      const left = faultsOf(candidate).length;
      if (left % 3 === 0) return undefined;
      return toyTrial(candidate, left < 20 ? ['another'] : ['wanted', 'more']);
    },
  });
  expect(faultsOf(document).length).toBe(20);
});

test('should try what only the seed holds in place under another seed, and keep the seed otherwise', async () => {
  const needed = (document: ScenarioDocument) =>
    faultsOf(document).includes('f7') && (document.seed !== 7 || faultsOf(document).includes('f2'));
  const { document, explanation } = await shrink(toySearch(big, needed));
  expect(faultsOf(document)).toEqual(['f7']);
  expect(document.seed).toBe(1);
  expect(explanation.oneMinimal).toBe(true);
  const kept = await shrink(toySearch(big, (candidate) => faultsOf(candidate).includes('f7')));
  expect(kept.document.seed).toBe(7);
});

test('should refuse what is not confirmed, and count its runs', async () => {
  let confirmed = 0;
  const { document, explanation } = await shrink(
    toySearch(big, () => true, {
      confirm: async (candidate) => {
        confirmed++;
        return faultsOf(candidate).includes('f9');
      },
    }),
  );
  expect(faultsOf(document)).toEqual(['f9']);
  expect(explanation.runs).toBe(2 * confirmed);
  expect(explanation.steps.map(({ without }) => without)).toEqual(['fails without the bug']);
  expect(explanation.oneMinimal).toBe(false);
  expect(describeShrinking(explanation)).toContain('(1 failing without the planted bug too)');
});

test.each([1, 2, 3, 12, 13])('should take no more than %i runs, though a candidate may take two', async (runsMax) => {
  let played = 0;
  const { explanation } = await shrink(
    toySearch(big, (candidate) => ++played > 0 && faultsOf(candidate).includes('f9'), {
      runsMax,
      confirm: async () => ++played > 0,
    }),
  );
  expect(explanation.runs).toBe(played);
  expect(played).toBeLessThanOrEqual(runsMax);
});

test('should keep runs for the proof that what is left is needed', async () => {
  // What is left after the steps takes more runs to polish than there are.
  const { explanation } = await shrink(
    toySearch(big, (candidate) => faultsOf(candidate).includes('f3') && faultsOf(candidate).includes('f8'), {
      runsMax: 20,
    }),
  );
  expect(explanation).toMatchObject({ endedBy: 'runs', oneMinimal: true });
  expect(explanation.steps.map(({ without }) => without)).toEqual(['holds', 'holds']);
  expect(explanation.runs).toBeLessThanOrEqual(20);
});

test('should say what could not be judged without a step, and not call the step necessary', async () => {
  const options = toySearch(big, () => true);
  const { explanation } = await shrink({
    ...options,
    play: async (candidate) => (faultsOf(candidate).includes('f5') ? toyTrial(candidate, ['wanted']) : undefined),
  });
  expect(explanation.steps).toMatchObject([{ without: 'unjudged' }]);
  expect(explanation.oneMinimal).toBe(false);
  expect(describeShrinking(explanation)).toContain('(1 not judgeable without the step)');
});

test('should go on where the ending changes and another check sees the same bug, as long as that is confirmed', async () => {
  const complete = (document: ScenarioDocument) => ({
    ...document,
    finally: faultsOf(document).includes('f1') ? 'leave' : { within: '60s' },
  });
  const play = async (candidate: ScenarioDocument) =>
    toyTrial(
      candidate,
      !faultsOf(candidate).includes('f2') ? [] : candidate.finally === 'leave' ? ['wanted'] : ['liveness'],
    );
  const document = complete(big);
  const both = { ...toySearch(document, () => true, { complete }), play };
  const confirmed = await shrink({ ...both, confirm: async () => true });
  expect(faultsOf(confirmed.document)).toEqual(['f2']);
  expect(confirmed.checks).toEqual(['liveness']);
  // Without a planted bug nothing says that it is the same failure.
  expect(faultsOf((await shrink(both)).document)).toEqual(['f1', 'f2']);
});

test('should derive anew what depends on the steps, and refuse what cannot be judged', async () => {
  const complete = (document: ScenarioDocument) =>
    faultsOf(document).includes('f5') || faultsOf(document).length === 0
      ? { ...document, expect: { exits: faultsOf(document) } }
      : undefined;
  const options = toySearch(big, () => true, { complete });
  const { document } = await shrink(options);
  expect(document.expect).toEqual({ exits: [] });
  expect(options.played.every((each) => (each.expect as { exits?: unknown }).exits !== undefined)).toBe(true);
});

test('should not write less of a load when the clients would ask more by it', async () => {
  const { document } = await shrink(
    toySearch(
      { ...big, load: { writers: 6, votes: 0, think: '50ms' } },
      (candidate) =>
        ((candidate.load as { writers?: number } | undefined)?.writers ?? 8) >= 2 && candidate.load !== undefined,
    ),
  );
  expect(document.load).toEqual({ writers: 2, votes: 0 });
});

test('should not try a load without its pauses, which asks as fast as it can', async () => {
  const options = toySearch(
    { ...big, load: { writers: 6, think: '50ms' } },
    (candidate) => candidate.load !== undefined,
    {
      stand: { defaultNodes: 1, nodeName: (number) => `toy-${number}`, loadDefaults: { writers: 8, think: 0 } },
    },
  );
  await shrink(options);
  const loads = options.played.flatMap(({ load }) => (load === undefined ? [] : [load]));
  expect(loads.length).toBeGreaterThan(5);
  expect(loads.filter((load) => !('think' in (load as object)))).toEqual([]);
});

test('should shrink parameters to defaults or to small numbers, and leave words alone', async () => {
  const step = {
    at: 500,
    fault: 'slow',
    nodes: ['toy-2', 'toy-3'],
    duration: 719,
    with: { p50: 40, mode: 'tear', range: { from: 5, to: 9_000 } },
  };
  const { document } = await shrink(
    toySearch({ ...big, timeline: [step] }, (candidate) => {
      const [one] = candidate.timeline as { with?: { range?: { to?: number }; mode?: string } }[];
      return one?.with?.mode === 'tear' && (one.with.range?.to ?? 0) >= 100;
    }),
  );
  expect(document.timeline).toEqual([
    { at: '0ms', fault: 'slow', nodes: 'toy-1', duration: '0ms', with: { mode: 'tear', range: { to: 100 } } },
  ]);
});

describe('steps that refer to others', () => {
  const document: ScenarioDocument = {
    title: 'people wrote it',
    timeline: [
      { id: 'slow', at: '1s', fault: 'disk.slow-sync' },
      { at: '2s', fault: 'process.kill' },
      { id: 'up', after: 'end of slow', operator: 'GET toy-1 /health' },
      { after: 'up', expect: 'up == 1' },
      { at: '9s', heal: ['slow', 'step-2'] },
    ],
    expect: { alerts: [{ name: 'Slow', 'fires within': '2m of slow' }], metrics: ['up == 1 at end'] },
  };

  test('should go with what they refer to, and so should expectations', () => {
    const named = withNamedSteps(document);
    const all = named.timeline as { id: string }[];
    expect(all.map(({ id }) => id)).toEqual(['slow', 'step-2', 'up', 'step-4', 'step-5']);
    const less = withSteps(named, all.slice(1));
    expect(less.timeline).toEqual([
      { id: 'step-2', at: '2s', fault: 'process.kill' },
      { id: 'step-5', at: '9s', heal: ['step-2'] },
    ]);
    expect(less.expect).toEqual({ alerts: [], metrics: ['up == 1 at end'] });
    expect(withoutGivenNames(less).timeline).toEqual([
      { id: 'step-2', at: '2s', fault: 'process.kill' },
      { at: '9s', heal: ['step-2'] },
    ]);
  });
});
