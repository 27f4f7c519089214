import { expect, test } from 'vitest';
import { watchDecisions } from '../../../src/checkers/streambus/decisions.ts';

test('should not pass where transactions were committed and no marker was seen', () => {
  const watch = watchDecisions();
  expect(watch.result(0).violations).toEqual([]);
  expect(watch.result(3).violations.map(({ message }) => message)).toEqual([
    expect.stringMatching(/a marker at least of 3 committed transactions/),
  ]);
  watch.marked({ producerId: 7, producerEpoch: 0, commit: true, group: 1_024, member: 65_537, atMs: 1 });
  watch.decided({ producerId: 7, producerEpoch: 0, commit: true });
  expect(watch.result(3).violations.map(({ message }) => message)).toEqual([expect.stringMatching(/no coordinator/)]);
});

test('should see a marker that no coordinator has decided on, or decided the other way', () => {
  const marker = (producerEpoch: number, commit: boolean) =>
    ({ producerId: 7, producerEpoch, commit, group: 1_024, member: 65_537, atMs: 1 }) as const;
  const watch = watchDecisions();
  watch.decided({ producerId: 7, producerEpoch: 0, commit: true });
  watch.marked(marker(0, true));
  expect(watch.result().violations).toEqual([]);
  watch.marked(marker(0, false));
  watch.marked(marker(1, true));
  expect(watch.result().violations.map(({ message }) => message)).toEqual([
    expect.stringMatching(/producer 7, epoch 0, is aborted: no coordinator/),
    expect.stringMatching(/producer 7, epoch 1, is committed: no coordinator/),
  ]);
});
