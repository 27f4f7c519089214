import { describe, expect, it } from 'vitest';
import type { Violation } from '../../../src/checkers/history.ts';
import { operationsAbout, operationsOf } from '../../../src/checkers/stemedb/clients.ts';
import { stemeChecks } from '../../../src/checkers/stemedb/index.ts';
import { claim, goodStory, recordOf, type Story } from './story.ts';

function violationOf(number: string, bend: (story: Story) => void): Violation | undefined {
  const story = goodStory();
  bend(story);
  return stemeChecks.find((check) => check.number === number)?.run(story.evidence).violations[0];
}

function nth<T>(list: readonly T[], index: number): T {
  const value = list.at(index);
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}

/** A violation says between which moments it came about, and which operations show it. */
describe('the window of a violation', () => {
  it('should reach from the acknowledgement to the recovery that lacks the record', () => {
    const lost = violationOf('C1', ({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(lost).toMatchObject({ fromMs: 22.1, atMs: 28, operations: [1] });
    const short = violationOf('C2', ({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(short).toMatchObject({ fromMs: 22.1, atMs: 28, operations: [1] });
  });

  it('should be that of the request for an acknowledgement before its sync', () => {
    const early = violationOf('C6', ({ disk }) => {
      nth(disk, 1).endedOrder = Number.POSITIVE_INFINITY;
    });
    expect(early).toMatchObject({ fromMs: 20, atMs: 22.1, operations: [1] });
  });

  it('should begin with the failed write for an acknowledgement behind it', () => {
    const after = violationOf('C7', ({ disk }) => {
      Object.assign(nth(disk, 1), { error: 'EIO', failedOperation: 'write' });
    });
    expect(after).toMatchObject({ fromMs: 20, atMs: 22.1, operations: [1] });
  });

  it('should begin with the acknowledgement of what a query lacks, and name both operations', () => {
    const lacking = violationOf('C10', ({ operations }) => {
      const query = { f: 'query', subject: 'tower', predicate: 'height', lens: 'recency' } as const;
      operations.push({
        ...nth(operations, 2),
        id: 3,
        f: 'query',
        input: query,
        invokedAt: 45,
        invokedOrder: 100,
        completedAt: 46,
        completedOrder: 101,
        output: { candidates: [claim(1).id, claim(2).id], lsn: 3 },
      });
    });
    expect(lacking).toMatchObject({ fromMs: 33, atMs: 46, operations: [2, 3] });
  });

  it('should begin with the last answer that an order explains, when a read cannot be put in any', () => {
    const absent = violationOf('C10', ({ operations }) => {
      const get = { f: 'get', id: claim(3).id } as const;
      const later = { invokedAt: 100_000, invokedOrder: 100, completedAt: 100_045, completedOrder: 101 };
      operations.push({ ...nth(operations, 2), ...later, id: 3, f: 'get', input: get, output: {} });
    });
    // Operation 2 stored it, and was answered at 33 ms.
    expect(absent).toMatchObject({ fromMs: 33, atMs: 100_045, operations: [3] });
    expect(absent?.evidence).toMatchObject({ longestPrefix: [2], statesAlong: ['3'], stuck: [3] });
  });

  it('should begin with the call of the write that was said to have failed, when a read finds what it wrote', () => {
    const there = violationOf('C10', ({ operations }) => {
      const write = nth(operations, 2);
      const lsn = write.output?.acks?.[0]?.lsn ?? 0;
      Object.assign(write, { outcome: 'fail', output: undefined });
      const get = { f: 'get', id: claim(3).id } as const;
      const later = { invokedAt: 100, invokedOrder: 100, completedAt: 101, completedOrder: 101 };
      const found = { lsn, content: claim(3).content };
      operations.push({ ...write, ...later, outcome: 'ok', id: 3, f: 'get', input: get, output: { found } });
    });
    expect(there).toMatchObject({ fromMs: 29, atMs: 101, operations: [3] });
  });

  it('should begin with the last right answer, when a read gives other bytes', () => {
    const bad = violationOf('C8', ({ operations }) => {
      const get = { f: 'get', id: claim(3).id } as const;
      const later = { invokedAt: 100, invokedOrder: 100, completedAt: 101, completedOrder: 101 };
      const found = { lsn: 3, content: claim(2).content };
      operations.push({ ...nth(operations, 2), ...later, id: 3, f: 'get', input: get, output: { found } });
    });
    expect(bad).toMatchObject({ fromMs: 33, atMs: 101 });
  });

  it('should begin with the end of the process before, when a start finds a log with a gap', () => {
    const gap = violationOf('C2', ({ lives, image }) => {
      nth(lives, 0).left = image([recordOf(claim(1), 1), recordOf(claim(2), 2)], 26);
      nth(lives, 1).recovered = image([recordOf(claim(1), 1), recordOf(claim(2), 3)], 28);
    });
    // The crash that tore it is in the window.
    expect(gap).toMatchObject({ fromMs: 26, atMs: 28 });
  });

  it('should begin with the end of the process before, when the first look at a new one shows a fall', () => {
    const fall = violationOf('C12', ({ samples, lives, image }) => {
      nth(lives, 0).left = image([recordOf(claim(1), 1), recordOf(claim(2), 2)], 26);
      Object.assign(nth(samples, 1), { durableLsn: 1 });
    });
    expect(fall).toMatchObject({ fromMs: 26, atMs: 40 });
  });

  it('should be that of the request for an error that lies', () => {
    const lie = violationOf('C22', ({ requests }) => {
      const request = nth(requests, 2);
      Object.assign(request, { status: 503, acks: [], error: { code: 'READ_ONLY', outcome: 'not_applied' } });
    });
    expect(lie).toMatchObject({ fromMs: 30, atMs: 32.1, operations: [2] });
  });

  it('should begin with the sample before the one that shows it', () => {
    const over = violationOf('C17', ({ samples, order }) => {
      const last = nth(samples, 1);
      samples.push({ ...last, atMs: 540, order: order(), pendingBytes: 1 << 30 });
    });
    expect(over).toMatchObject({ fromMs: 40, atMs: 540 });
  });

  it('should begin when the file was opened that is open for nothing', () => {
    const leak = violationOf('C23', ({ samples, order }) => {
      const openFiles = [{ path: '/var/lib/stemedb/db/index/part', isReader: true, openedAtMs: 31 }];
      samples.push({ ...nth(samples, 1), atMs: 540, order: order(), openFiles, activities: [] });
    });
    expect(leak).toMatchObject({ fromMs: 31, atMs: 540 });
  });

  it('should begin with the end of the process before, when the file was opened by a start', () => {
    const leak = violationOf('C23', ({ samples, order }) => {
      const openFiles = [{ path: '/var/lib/stemedb/db/index/part', isReader: true, openedAtMs: 27.5 }];
      samples.push({ ...nth(samples, 1), atMs: 540, order: order(), openFiles, activities: [] });
    });
    expect(leak).toMatchObject({ fromMs: 26, atMs: 540 });
  });
});

describe('operations of a violation', () => {
  it('should be all that speak of an id, and of a request the one that sent it', () => {
    const { evidence, operations, requests } = goodStory();
    const again = { ...nth(operations, 0), id: 3, invokedAt: 47, completedAt: 49 };
    operations.push(again, { ...again, id: 4, f: 'get', input: { f: 'get', id: claim(1).id } });
    expect(operationsAbout(evidence, [claim(1).id])).toEqual([0, 3, 4]);
    expect(operationsOf(evidence, nth(requests, 0))).toEqual([0]);
    expect(operationsOf(evidence, { ...nth(requests, 0), arrivedAtMs: 47.5, answeredAtMs: 48 })).toEqual([3]);
    expect(operationsOf(evidence, { ...nth(requests, 0), ids: ['of an operator'] })).toEqual([]);
  });

  it('should be the first and the last of very many', () => {
    const { evidence, operations } = goodStory();
    for (let id = 3; id < 60; id++) operations.push({ ...nth(operations, 0), id });
    expect(operationsAbout(evidence, [claim(1).id])).toEqual([
      0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
    ]);
  });
});
