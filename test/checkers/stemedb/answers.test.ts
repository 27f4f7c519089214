import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/checkers/history.ts';
import type { ClientInput, ClientOutput } from '../../../src/checkers/stemedb/evidence.ts';
import { queryLimit } from '../../../src/checkers/stemedb/readYourWrites.ts';
import { bent, nth, violationsOf } from './bentStory.ts';
import { claim, recordOf, type Story } from './story.ts';

describe('C10 read-your-writes', () => {
  const query = (candidates: readonly string[]): Operation<ClientInput, ClientOutput> => ({
    id: 9,
    process: 5,
    f: 'query',
    input: { f: 'query', subject: 'tower', predicate: 'height', lens: 'recency' },
    invokedAt: 44,
    invokedOrder: 90,
    outcome: 'ok',
    completedAt: 45,
    completedOrder: 91,
    output: { candidates, winner: candidates[0], lsn: 3 },
  });
  test('should see a query that lacks what was acknowledged before', () => {
    const ids = [claim(3).id, claim(2).id];
    expect(
      violationsOf(
        'C10',
        bent(({ operations }) => void operations.push(query(ids))),
      ),
    ).toEqual([expect.stringMatching(/lacks .*, acknowledged before as LSN 1/)]);
    expect(
      violationsOf(
        'C10',
        bent(({ operations }) => void operations.push(query([...ids, claim(1).id]))),
      ),
    ).toEqual([]);
  });
  test('should see a read that finds nothing after the ack', () => {
    const story = bent(({ operations }) => {
      operations.push({ ...query([]), f: 'get', input: { f: 'get', id: claim(1).id }, output: {} });
    });
    expect(violationsOf('C10', story)).toEqual([expect.stringMatching(/are not linearizable/)]);
  });
});

test('C11 should see an index that lacks a record of the log, or has one too many', () => {
  const missing = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), candidates: [claim(3).id, claim(2).id] }];
  });
  expect(violationsOf('C11', missing)).toEqual([expect.stringMatching(/1 missing, 0 too many/)]);
  const extra = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), candidates: [1, 2, 3, 4].map((n) => claim(n).id) }];
  });
  expect(violationsOf('C11', extra)).toEqual([expect.stringMatching(/0 missing, 1 too many/)]);
});

test('C11 should ask a cut answer only whether it has one too many', () => {
  const many = Array.from({ length: queryLimit + 20 }, (_, index) => claim(index + 1));
  const cutTo = (ids: readonly string[]) =>
    bent(({ evidence, lives, image, operations }) => {
      operations.push({ ...nth(operations, 0), id: 9, input: { f: 'write', submissions: many, atomic: true } });
      nth(lives, 1).left = image(
        many.map((submission, index) => recordOf(submission, index + 1)),
        31,
      );
      evidence.index = [{ ...nth(evidence.index, 0), incarnation: 2, lsn: many.length, candidates: ids }];
    });
  const newest = many.slice(-queryLimit).map(({ id }) => id);
  expect(violationsOf('C11', cutTo(newest))).toEqual([]);
  expect(violationsOf('C11', cutTo(newest.slice(1)))).toEqual([expect.stringMatching(/21 missing, 0 too many/)]);
  expect(violationsOf('C11', cutTo([...newest.slice(1), claim(5_000).id]))).toEqual([
    expect.stringMatching(/0 missing, 1 too many/),
  ]);
});

test('C11 should not ask a log for its claims that somebody has deleted under the process', () => {
  const taken = (faults: Story['evidence']['faults']) =>
    bent(({ evidence, lives, image }) => {
      nth(lives, 1).left = image([], 41);
      evidence.faults = faults;
    });
  const deleted = { name: 'operator.delete-file', startMs: 35, endMs: 35, parameters: {} };
  expect(violationsOf('C11', taken([]))).toEqual([expect.stringMatching(/0 missing, 3 too many/)]);
  expect(violationsOf('C11', taken([{ ...deleted, startMs: 45 }]))).toHaveLength(1);
  expect(violationsOf('C11', taken([deleted]))).toEqual([]);
});

test('C12 should see a watermark or the wall time of batches fall', () => {
  const gauge = bent(({ samples }) => void Object.assign(nth(samples, 1), { durableLsn: 1 }));
  expect(violationsOf('C12', gauge)).toEqual([expect.stringMatching(/durableLsn of stemedb-1 fell from 2 to 1/)]);
  const wall = bent(({ disk }) => {
    const call = nth(disk, 2);
    call.batches = [{ ...nth(call.batches ?? [], 0), wallMs: 1 }];
  });
  expect(violationsOf('C12', wall)).toEqual([expect.stringMatching(/is dated 1, /)]);
});

test('C12 should hold a start on a damaged log to the dates that it found, and to no others', () => {
  const redated = (foundWalls: readonly number[], faults: Story['evidence']['faults']) =>
    bent(({ disk, lives, evidence }) => {
      const [call, second] = [nth(disk, 2), nth(lives, 1)];
      call.batches = [{ ...nth(call.batches ?? [], 0), wallMs: 500_000 }];
      second.found = { ...second.found, walls: foundWalls };
      evidence.faults = faults;
    });
  const rot = [{ name: 'disk.bit-rot', startMs: 26, endMs: Number.POSITIVE_INFINITY, parameters: {} }];
  expect(violationsOf('C12', redated([], rot))).toEqual([]);
  expect(violationsOf('C12', redated([500_001], rot))).toEqual([expect.stringMatching(/is dated 500000, 1 ms before/)]);
  expect(violationsOf('C12', redated([], []))).toEqual([expect.stringMatching(/is dated 500000, /)]);
});

test('C21 should see a winner that the naive lens does not choose, and one that changes', () => {
  const wrong = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), winner: claim(1).id }];
  });
  expect(violationsOf('C21', wrong)).toHaveLength(1);
  const changed = bent(({ evidence }) => {
    const answer = { ...nth(evidence.index, 0), lens: 'epoch' };
    evidence.index = [answer, { ...answer, winner: claim(2).id, incarnation: 1 }];
  });
  expect(violationsOf('C21', changed)).toEqual([expect.stringMatching(/epoch of tower height at LSN 3/)]);
});

describe('C22 outcomes', () => {
  const failed = (code: string, outcome: string, bend: (story: Story) => void = () => {}): Story =>
    bent((story) => {
      const request = nth(story.requests, 2);
      request.acks = [];
      request.status = 500;
      request.error = { code, outcome };
      bend(story);
    });
  test('should see "not applied" said of what was submitted', () => {
    expect(violationsOf('C22', failed('WAL_FAILED', 'not_applied'))).toEqual([
      expect.stringMatching(/whose batch had been handed to the disk/),
    ]);
  });
  test('should see doubt about what was never submitted', () => {
    const never = (story: Story) => void story.disk.splice(2, 1);
    expect(violationsOf('C22', failed('WRITE_INDETERMINATE', 'indeterminate', never))).toEqual([
      expect.stringMatching(/though its batch was never handed to the disk/),
    ]);
    expect(violationsOf('C22', failed('WRITE_INDETERMINATE', 'indeterminate'))).toEqual([]);
    expect(violationsOf('C22', failed('WRITE_TIMEOUT', 'indeterminate', never))).toEqual([]);
  });
});
