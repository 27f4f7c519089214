import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import { checkLinearizability } from '../../src/checkers/linearizability.ts';
import { keyValueModel } from '../../src/checkers/models/keyValue.ts';
import { queueModel } from '../../src/checkers/models/queue.ts';
import { casRegisterModel, registerModel } from '../../src/checkers/models/register.ts';
import { bruteForce, op } from './histories.ts';
import { parseEtcd, parseKv } from './porcupineLogs.ts';

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
  test('should agree with trying every order on 3,000 small random histories', () => {
    const random = lcg(7);
    const verdicts = { linearizable: 0, illegal: 0, unknown: 0 };
    for (let round = 0; round < 3000; round++) {
      const history = randomHistory(random);
      const expected = bruteForce(history, casRegisterModel()) ? 'linearizable' : 'illegal';
      const { verdict } = checkLinearizability(history, casRegisterModel());
      expect(verdict, JSON.stringify(history)).toBe(expected);
      verdicts[verdict]++;
    }
    expect(verdicts.linearizable).toBeGreaterThan(500);
    expect(verdicts.illegal).toBeGreaterThan(500);
  });
});

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

function randomHistory(random: (below: number) => number): Operation[] {
  const count = 2 + random(5);
  const points = Array.from({ length: 2 * count }, (_, index) => index);
  for (let index = points.length - 1; index > 0; index--) {
    const other = random(index + 1);
    [points[index], points[other]] = [points[other] ?? 0, points[index] ?? 0];
  }
  return Array.from({ length: count }, (_, id) => {
    const [from = 0, to = 0] = [points[2 * id] ?? 0, points[2 * id + 1] ?? 0].sort((a, b) => a - b);
    const outcome = random(6) === 0 ? 'info' : random(8) === 0 ? 'fail' : 'ok';
    const end = outcome === 'info' ? Number.POSITIVE_INFINITY : to;
    const kind = random(3);
    if (kind === 0) return op(id, id, 'read', undefined, from, end, outcome === 'ok' ? random(3) : undefined, outcome);
    if (kind === 1) return op(id, id, 'write', random(3), from, end, undefined, outcome);
    const input = { expected: random(3), value: random(3) };
    return op(id, id, 'cas', input, from, end, outcome === 'ok' ? random(2) === 0 : undefined, outcome);
  });
}

function lcg(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}
