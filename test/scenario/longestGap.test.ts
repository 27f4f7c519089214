import { expect, test } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import { longestGap } from '../../src/scenario/longestGap.ts';
import { parseGap } from '../../src/scenario/words.ts';

function write(id: number, part: string, completedAt: number, outcome: Operation['outcome'] = 'ok'): Operation {
  return {
    id,
    process: 1,
    f: 'send',
    input: part,
    invokedAt: 0,
    outcome,
    completedAt,
    invokedOrder: id,
    completedOrder: id,
  };
}

const partsWritten = ({ input }: Operation) => [String(input)];

test('the longest gap is that of one part, whatever others took', () => {
  const operations = [
    ...[900, 1_500, 4_600, 8_000].map((at, id) => write(id, 'a', at)),
    ...[950, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000].map((at, id) => write(10 + id, 'b', at)),
    // It did not succeed, it was after the window, and nobody knew of this part before.
    write(30, 'a', 3_000, 'info'),
    write(31, 'a', 20_000),
    write(32, 'c', 9_000),
  ];
  const window = { operations, partsWritten, fromMs: 1_000 };
  expect(longestGap({ ...window, toMs: 9_500 })).toEqual({ part: 'a', gapMs: 3_400, endedMs: 8_000, parts: 2 });
  // What has not come back by the end of the window is a gap until then; time before the window does not count.
  expect(longestGap({ ...window, toMs: 4_500 })).toEqual({ part: 'a', gapMs: 3_000, endedMs: 4_500, parts: 2 });
  expect(longestGap({ operations, fromMs: 1_000, toMs: 9_500 })).toMatchObject({ part: '', gapMs: 1_000, parts: 1 });
  expect(longestGap({ ...window, fromMs: 100, toMs: 9_500 })).toBeUndefined();
});

test('a gap and its window are a sentence', () => {
  expect(parseGap('3s from restart to 5s after end of restart')).toMatchObject({
    ms: 3_000,
    from: { step: 'restart', edge: 'start', ms: 0 },
    to: { step: 'restart', edge: 'end', ms: 5_000 },
  });
  expect(parseGap('3s from restart')).toBeUndefined();
  expect(parseGap('long from 1m to end')).toBeUndefined();
});
