import { expect, test } from 'vitest';
import { RoomWaiters } from '../../../../src/engines/streambus/broker/roomWaiters.ts';

test('who waits for room goes in the order of coming, the large one when there is room for it', async () => {
  let free = 0;
  const waiters = new RoomWaiters((bytes) => bytes > free);
  const went: string[] = [];
  void waiters.wait(10).then(() => went.push('large'));
  void waiters.wait(2).then(() => went.push('first'));
  void waiters.wait(2).then(() => went.push('second'));
  free = 5;
  waiters.look();
  await Promise.resolve();
  expect(went).toEqual(['first', 'second']);
  free = 10;
  waiters.look();
  await Promise.resolve();
  expect(went).toEqual(['first', 'second', 'large']);
  expect(waiters.size).toBe(0);
});

test('nothing is kept of those who gave up while there was no room', async () => {
  const waiters = new RoomWaiters(() => true);
  const enough = new AbortController();
  const waits = Array.from({ length: 1_000 }, () => waiters.wait(1, enough.signal));
  expect(waiters.size).toBe(1_000);
  enough.abort();
  await Promise.all(waits);
  expect(waiters.size).toBe(0);
  await waiters.wait(1, enough.signal);
  expect(waiters.size).toBe(0);
});
