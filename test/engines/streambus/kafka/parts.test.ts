import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isoTime } from '../../../../src/engines/isoTime.ts';
import { ByteBudget } from '../../../../src/engines/streambus/kafka/byteBudget.ts';
import { countErrors } from '../../../../src/engines/streambus/kafka/errorCount.ts';
import { FrameReader } from '../../../../src/engines/streambus/kafka/frameReader.ts';
import { maxThrottleMs } from '../../../../src/engines/streambus/kafka/limits.ts';
import { SlowLog } from '../../../../src/engines/streambus/kafka/slowLog.ts';
import { Throttle } from '../../../../src/engines/streambus/kafka/throttle.ts';
import type { Clock } from '../../../../src/host/clock.ts';

test('ISO times are those of the language', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }),
    { numRuns: 2_000, seed: 3 },
  );
});

function readerOf(chunks: readonly Uint8Array[], reserved: number[] = []) {
  const left = [...chunks];
  return new FrameReader({
    read: () => Promise.resolve(left.shift()),
    minFrameBytes: () => 1,
    maxFrameBytes: () => 1_000,
    reserve: (bytes) => {
      reserved.push(bytes);
      return true;
    },
  });
}

test('frames come out as they were put in, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 40 }),
      async (frames, cuts) => {
        const stream = frames.flatMap((frame) => [0, 0, 0, frame.length, ...frame]);
        const chunks: Uint8Array[] = [];
        for (let at = 0, n = 0; at < stream.length; n++) {
          const size = cuts[n % cuts.length] ?? 1;
          chunks.push(Uint8Array.from(stream.slice(at, at + size)));
          at += size;
        }
        const reserved: number[] = [];
        const reader = readerOf(chunks, reserved);
        for (const frame of frames) expect(await reader.next()).toEqual(Uint8Array.from(frame));
        expect(await reader.next()).toBeUndefined();
        expect(reserved).toEqual(frames.map(({ length }) => length));
      },
    ),
    { numRuns: 500, seed: 5 },
  );
});

test('the end of the stream within a frame gives no frame; a small frame does not keep a large chunk alive', async () => {
  expect(await readerOf([Uint8Array.of(0, 0, 0, 5, 1, 2)]).next()).toBeUndefined();
  const large = new Uint8Array(4_000);
  large[3] = 10;
  const frame = await readerOf([large]).next();
  expect(frame?.buffer.byteLength).toBe(10);
  const ofNode = await readerOf([Buffer.from(large)]).next();
  expect(ofNode?.buffer.byteLength).toBe(10);
  expect(ofNode).not.toBeInstanceOf(Buffer);
  const exact = Uint8Array.of(0, 0, 0, 3, 7, 8, 9);
  expect((await readerOf([exact]).next())?.buffer).toBe(exact.buffer);
});

test('the budget is served in order, and one request larger than all of it gets it alone', async () => {
  const budget = new ByteBudget(100);
  const never = new AbortController().signal;
  expect(budget.tryTake(60)).toBe(true);
  const order: string[] = [];
  const big = budget.take(500, never).then(() => order.push('big'));
  const small = budget.take(10, never).then(() => order.push('small'));
  expect(budget.tryTake(1)).toBe(false);
  await Promise.resolve();
  expect(order).toEqual([]);
  budget.give(60);
  await big;
  expect(order).toEqual(['big']);
  budget.give(500);
  await small;
  expect(order).toEqual(['big', 'small']);
  expect(budget.used).toBe(10);
});

test('who gives up waiting for the budget lets those behind through', async () => {
  const budget = new ByteBudget(100);
  budget.charge(50);
  const gone = new AbortController();
  const big = budget.take(80, gone.signal);
  const small = budget.take(30, new AbortController().signal);
  gone.abort();
  expect(await big).toBe(false);
  expect(await small).toBe(true);
  expect(budget.used).toBe(80);
  expect(budget.waiting).toBe(0);
  expect(() => budget.give(81)).toThrow('requests gave 1 bytes more back than they had taken');
});

function clockAt(time: { now: number }): Clock {
  const unused = () => {
    throw new Error('the throttle only reads the time');
  };
  return { now: () => time.now, wall: () => time.now, sleep: unused, timer: unused };
}

test('over any time a client gets its rate and one second of it in advance', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 60 }),
      (rate, amounts) => {
        const time = { now: 0 };
        const throttle = new Throttle(clockAt(time));
        let spent = 0;
        for (const amount of amounts) {
          spent += amount;
          const wait = throttle.charge('c', 'produceRate', amount, rate);
          expect(wait).toBeLessThanOrEqual(maxThrottleMs);
          time.now += wait;
          if (wait < maxThrottleMs) expect(spent).toBeLessThanOrEqual(rate + (time.now / 1_000) * rate + 1e-6);
        }
      },
    ),
    { numRuns: 500, seed: 9 },
  );
});

test('without a limit nothing is held back and nothing is kept; clients do not share a bucket', () => {
  const time = { now: 0 };
  const throttle = new Throttle(clockAt(time));
  expect(throttle.charge('a', 'produceRate', 1e9, undefined)).toBe(0);
  expect(throttle.size).toBe(0);
  expect(throttle.charge('a', 'produceRate', 30, 10)).toBe(2_000);
  expect(throttle.charge('b', 'produceRate', 5, 10)).toBe(0);
  expect(throttle.charge('a', 'fetchRate', 5, 10)).toBe(0);
  for (let n = 0; n < 50_000; n++) throttle.charge(`client-${n}`, 'produceRate', 1, 10);
  expect(throttle.size).toBeLessThanOrEqual(40_000);
});

test('the slow log holds the newest, newest first, and follows its limits', () => {
  const limits = { threshold: 500, size: 3 };
  const log = new SlowLog(() => limits);
  expect(log.isSlow(499)).toBe(false);
  expect(log.isSlow(500)).toBe(true);
  for (let n = 0; n < 100; n++) {
    log.add({
      at: '',
      api: 'Fetch',
      client_id: `${n}`,
      topic: null,
      partition: null,
      duration_ms: n,
      journal_ms: null,
      replicate_ms: null,
    });
  }
  expect(log.entries().map(({ client_id }) => client_id)).toEqual(['99', '98', '97']);
  limits.size = 1;
  log.add({ ...(log.entries()[0] ?? never()), client_id: '100' });
  expect(log.entries().map(({ client_id }) => client_id)).toEqual(['100']);
});

function never(): never {
  throw new Error('the log has entries');
}

test('errors are counted wherever they lie in an answer', () => {
  const seen: number[] = [];
  countErrors(
    {
      errorCode: 3,
      records: new Uint8Array(3),
      topics: [{ partitions: [{ errorCode: 0, replicas: [1, 2] }, { errorCode: 6 }] }],
      nothing: null,
    },
    (code) => seen.push(code),
  );
  expect(seen).toEqual([3, 6]);
});
