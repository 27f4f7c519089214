import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseEtcd, parseKv } from '../../bench/porcupine/logs.ts';
import type { Operation } from '../../src/checkers/history.ts';
import { checkLinearizability, type Model } from '../../src/checkers/linearizability.ts';
import { keyValueModel } from '../../src/checkers/models/keyValue.ts';
import { lockModel } from '../../src/checkers/models/lock.ts';
import { queueModel } from '../../src/checkers/models/queue.ts';
import { casRegisterModel, registerModel } from '../../src/checkers/models/register.ts';
import { Configurations } from '../../src/checkers/wgl/configurations.ts';
import { Transitions } from '../../src/checkers/wgl/states.ts';
import { bruteForce, op } from './histories.ts';

const conformance = join(import.meta.dirname, '../../../shared/conformance/porcupine');
const hasConformance = existsSync(conformance);

describe('registers', () => {
  test('should accept a read that overlaps the write it sees', () => {
    const history = [op(0, 0, 'write', 1, 0, 3), op(1, 1, 'read', undefined, 1, 2, 1)];
    expect(checkLinearizability(history, registerModel()).verdict).toBe('linearizable');
  });

  test('should refuse a read of the old value after the write was answered, and name it', () => {
    const history = [op(0, 0, 'write', 1, 0, 1), op(1, 0, 'write', 2, 2, 3), op(2, 1, 'read', undefined, 4, 5, 1)];
    const result = checkLinearizability(history, registerModel());
    expect(result.verdict).toBe('illegal');
    expect(result.failures).toEqual([
      {
        partition: 0,
        verdict: 'illegal',
        longestPrefix: [0, 1],
        statesAlong: ['1', '2'],
        statesBefore: ['2'],
        stuck: [2],
      },
    ]);
  });

  test('should refuse two reads that see concurrent writes in opposite directions', () => {
    const history = [
      op(0, 0, 'write', 1, 0, 10),
      op(1, 1, 'write', 2, 1, 11),
      op(2, 2, 'read', undefined, 2, 3, 1),
      op(3, 2, 'read', undefined, 4, 5, 2),
      op(4, 2, 'read', undefined, 6, 7, 1),
    ];
    expect(checkLinearizability(history, registerModel()).verdict).toBe('illegal');
  });

  test('should let an operation without an answer take effect late, or never', () => {
    const late = [
      op(0, 0, 'write', 1, 0, 1),
      op(1, 1, 'write', 2, 2, Number.POSITIVE_INFINITY, undefined, 'info'),
      op(2, 0, 'read', undefined, 3, 4, 1),
      op(3, 0, 'read', undefined, 5, 6, 2),
    ];
    expect(checkLinearizability(late, registerModel()).verdict).toBe('linearizable');
    expect(checkLinearizability(late.slice(0, 3), registerModel()).verdict).toBe('linearizable');
  });

  test('should name every state that the operations before it can have left, and the way to one of them', () => {
    const history = [
      op(0, 0, 'write', 1, 0, 10),
      op(1, 1, 'write', 2, 1, 11),
      op(2, 2, 'write', 3, 2, 5, undefined, 'info'),
      op(3, 3, 'read', undefined, 20, 21, 9),
    ];
    const [failure] = checkLinearizability(history, registerModel()).failures;
    expect([...(failure?.statesBefore ?? [])].sort()).toEqual(['1', '2', '3']);
    expect(failure?.stuck).toEqual([3]);
    expect(failure?.statesAlong).toHaveLength(failure?.longestPrefix.length ?? 0);
    // The write in doubt is not needed for the prefix: it is left out.
    expect(failure?.longestPrefix).toHaveLength(2);
    expect(failure?.statesBefore[0]).toBe(failure?.statesAlong.at(-1));
  });

  test('should let an operation in doubt take effect after its client gave up, and bind nobody by that moment', () => {
    const doubt = op(1, 1, 'write', 2, 2, 3, undefined, 'info');
    const history = [op(0, 0, 'write', 1, 0, 1), doubt, op(2, 0, 'read', undefined, 4, 5, 1)];
    expect(checkLinearizability([...history, op(3, 0, 'read', undefined, 6, 7, 2)], registerModel()).verdict).toBe(
      'linearizable',
    );
    const [failure] = checkLinearizability(
      [...history, op(3, 0, 'read', undefined, 6, 7, 3)],
      registerModel(),
    ).failures;
    expect(failure?.stuck).toEqual([3]);
  });

  test('should not let a failed write be seen', () => {
    const history = [op(0, 0, 'write', 1, 0, 1, undefined, 'fail'), op(1, 0, 'read', undefined, 2, 3, 1)];
    expect(checkLinearizability(history, registerModel()).verdict).toBe('illegal');
  });

  test('should say unknown, not guess, at its bound', () => {
    const history = concurrentWrites(12);
    expect(checkLinearizability(history, registerModel(), { maxConfigurations: 50 }).verdict).toBe('unknown');
    expect(checkLinearizability(history, registerModel(), { maxSteps: 50 }).verdict).toBe('unknown');
    expect(checkLinearizability(history, registerModel()).verdict).toBe('illegal');
  });

  test('should stop at its bound of configurations within the memory that it names', () => {
    // 40 writes at once: 40 · 2^39 configurations, more than any memory holds.
    const history = concurrentWrites(40);
    const maxConfigurations = 200_000;
    const inUse = () => process.memoryUsage().arrayBuffers;
    const began = inUse();
    const result = checkLinearizability(history, registerModel(), { maxConfigurations });
    const grown = inUse() - began;
    expect(result.verdict).toBe('unknown');
    expect(result.configurations).toBe(maxConfigurations + 1);
    const promised = maxConfigurations * (history.length / 8 + 16);
    expect(result.tableBytes).toBeLessThan(2 * promised);
    // The tables double; those that they grew out of may still wait for the collector.
    expect(grown).toBeLessThan(4 * promised);
    const less = checkLinearizability(history, registerModel(), { maxBytes: promised / 4 });
    expect(less).toMatchObject({ verdict: 'unknown' });
    expect(less.configurations).toBeLessThan(maxConfigurations / 3);
    const larger = checkLinearizability(history, registerModel(), { maxConfigurations: 2 * maxConfigurations });
    expect(larger.configurations).toBe(2 * maxConfigurations + 1);
  });
});

test('should not take more than its bound of memory even while its tables grow', () => {
  for (const maxBytes of [3 << 20, 5 << 20, 7 << 20]) {
    const result = checkLinearizability(concurrentWrites(200), registerModel(), { maxBytes });
    expect(result.verdict).toBe('unknown');
    expect(result.tableBytes).toBeGreaterThan(maxBytes / 4);
    // 29 numbers wide, the entries are the most of it: they were copied from half of their size.
    expect(1.2 * result.tableBytes).toBeLessThanOrEqual(maxBytes);
  }
});

test('should say before it grows what that takes, old tables beside the new', () => {
  const seen = new Configurations(1_000);
  let before = seen.bytes;
  let grown = 0;
  for (let index = 0; index < 1_000; index++) {
    const announced = seen.bytesOfNext;
    seen.add(index, 1);
    if (seen.bytes > before) {
      grown++;
      expect(announced).toBeGreaterThan(seen.bytes + before / 3);
    } else expect(announced).toBe(before);
    before = seen.bytes;
  }
  expect(grown).toBe(3);
});

test('should count states that are lists, whose keys may be short', () => {
  const model = { ...queueModel, key: (state: readonly unknown[]) => state.length };
  const states = new Transitions(model, []);
  states.intern(Array.from({ length: 1_000 }, (_, index) => index));
  expect(states.bytes).toBeGreaterThan(8_000);
});

test('should count what states take, where they are large and configurations few', () => {
  const enqueues = Array.from({ length: 30 }, (_, index) =>
    op(index, index, 'enqueue', `${index} ${'x'.repeat(1_000)}`, index, 1_000 + index),
  );
  const history = [...enqueues, op(30, 30, 'dequeue', undefined, 5_000, 5_001, 'none of them')];
  const result = checkLinearizability(history, queueModel, { maxBytes: 8 << 20 });
  expect(result.verdict).toBe('unknown');
  expect(result.configurations).toBeLessThan(1_000);
  expect(result.tableBytes).toBeLessThan(9 << 20);
});

/** Writes that all run side by side, and a read of what none of them wrote. */
function concurrentWrites(count: number): Operation[] {
  const writes = Array.from({ length: count }, (_, index) => op(index, index, 'write', index, index, 1_000 + index));
  return [...writes, op(count, count, 'read', undefined, 5_000, 5_001, -1)];
}

describe('the dumb twin', () => {
  test.each([
    ['register', registerModel() as Model<unknown>],
    ['cas-register', casRegisterModel() as Model<unknown>],
    ['key-value', keyValueModel as Model<unknown>],
    ['queue', queueModel as Model<unknown>],
    ['lock', lockModel as Model<unknown>],
  ])('should agree with trying every order on 1,500 random histories of a %s', (name, model) => {
    const random = lcg(7);
    const verdicts = { linearizable: 0, illegal: 0, unknown: 0 };
    const sizes = { long: 0, doubtful: 0 };
    for (let round = 0; round < 1_500; round++) {
      const history = randomHistory(random, kindsOf[name] ?? []);
      // Partitions and all: the brute force tries the operations of each key alone.
      const keys = Map.groupBy(history, (operation) => model.partition?.(operation) ?? 0);
      const isRight = [...keys.values()].every((own) => bruteForce(own, model));
      const { verdict } = checkLinearizability(history, model);
      expect(verdict, JSON.stringify(history)).toBe(isRight ? 'linearizable' : 'illegal');
      verdicts[verdict]++;
      if (history.length > 7) sizes.long++;
      if (history.filter(({ outcome }) => outcome === 'info').length > 2) sizes.doubtful++;
    }
    expect(Math.min(verdicts.linearizable, verdicts.illegal, sizes.long, sizes.doubtful)).toBeGreaterThan(100);
  });
});

type Random = (below: number) => number;
type Kind = (random: Random) => { readonly f: string; readonly input?: unknown; readonly output?: unknown };

/** What operations of a model are, with an answer that may be right. */
const kindsOf: Readonly<Record<string, readonly Kind[]>> = {
  register: [(random) => ({ f: 'read', output: random(3) }), (random) => ({ f: 'write', input: random(3) })],
  'cas-register': [
    (random) => ({ f: 'read', output: random(3) }),
    (random) => ({ f: 'write', input: random(3) }),
    (random) => ({ f: 'cas', input: { expected: random(3), value: random(3) }, output: random(2) === 0 }),
  ],
  'key-value': [
    (random) => ({ f: 'get', input: { key: 'xy'.charAt(random(2)) }, output: ['', 'a', 'ab', 'b'][random(4)] }),
    (random) => ({ f: 'put', input: { key: 'xy'.charAt(random(2)), value: 'ab'.charAt(random(2)) } }),
    (random) => ({ f: 'append', input: { key: 'xy'.charAt(random(2)), value: 'ab'.charAt(random(2)) } }),
  ],
  queue: [
    (random) => ({ f: 'enqueue', input: random(3) }),
    (random) => ({ f: 'dequeue', output: [0, 1, 2, null][random(4)] }),
  ],
  lock: [
    (random) => ({ f: 'acquire', output: [1, 2, null][random(3)] }),
    (random) => ({ f: 'release', input: { token: 1 + random(2) }, output: random(2) === 0 }),
    (random) => ({ f: 'use', input: { token: 1 + random(2) }, output: random(3) > 0 }),
    () => ({ f: 'expire' }),
  ],
};

// Without the folder there is no test to be skipped: this one says so by its name.
if (!hasConformance) test.skip(`published logs of porcupine: ${conformance} is not there`, () => undefined);

describe.skipIf(!hasConformance)('published logs of porcupine (shared/conformance/porcupine)', () => {
  const expected = hasConformance ? readFileSync(join(conformance, 'jepsen/expected.txt'), 'utf8') : '';
  test('every log there has a verdict to compare with', () => {
    const named = expected.match(/^\d+/gm)?.map((number) => `etcd_${number.padStart(3, '0')}.log`);
    const there = readdirSync(join(conformance, 'jepsen')).filter((name) => name.endsWith('.log'));
    expect(there.sort()).toEqual(named?.sort());
    for (const name of readdirSync(join(conformance, 'kv'))) expect(name).toMatch(/-(ok|bad)\.txt$/);
  });
  for (const line of expected.split('\n').filter((text) => text.trim() !== '')) {
    const [number = '', verdict] = line.split(' ');
    const file = `jepsen/etcd_${number.padStart(3, '0')}.log`;
    test(`${file} is ${verdict}`, () => {
      const history = parseEtcd(readFileSync(join(conformance, file), 'utf8'));
      expect(checkLinearizability(history, casRegisterModel()).verdict).toBe(verdict);
    });
  }
  for (const file of hasConformance
    ? readdirSync(join(conformance, 'kv')).filter((name) => name.endsWith('.txt'))
    : []) {
    test(`kv/${file}`, () => {
      const history = parseKv(readFileSync(join(conformance, 'kv', file), 'utf8'));
      const verdict = file.includes('-ok') ? 'linearizable' : 'illegal';
      expect(checkLinearizability(history, keyValueModel).verdict).toBe(verdict);
    });
  }
});

/** Two to nine operations, a third of them in doubt in every other history, short enough in time that some follow each other. */
function randomHistory(random: Random, kinds: readonly Kind[]): Operation[] {
  const count = 2 + random(8);
  const doubt = random(2) === 0 ? 3 : 12;
  const span = 1 + random(2 * count);
  const begins = Array.from({ length: count }, () => random(2 * count));
  const events = begins
    .flatMap((from, id) => [
      { id, at: from },
      { id, at: from + 1 + random(span) },
    ])
    .map((event) => ({ ...event, tie: random(1_000) }))
    .sort((a, b) => a.at - b.at || a.tie - b.tie);
  return begins.map((_, id) => {
    const [from = 0, to = 0] = events.flatMap((event, order) => (event.id === id ? [order] : []));
    const outcome = random(doubt) === 0 ? 'info' : random(10) === 0 ? 'fail' : 'ok';
    const kind = kinds[random(kinds.length)];
    if (kind === undefined) throw new Error('no kinds of operations to draw from');
    const { f, input, output } = kind(random);
    const end = outcome === 'info' ? Number.POSITIVE_INFINITY : to;
    return op(id, id, f, input, from, end, outcome === 'ok' ? output : undefined, outcome);
  });
}

function lcg(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}
