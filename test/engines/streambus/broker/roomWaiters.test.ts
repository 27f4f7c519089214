import { expect, test } from 'vitest';
import { RoomWaiters } from '../../../../src/engines/streambus/broker/roomWaiters.ts';

const nothing = (): void => undefined;

/** Room as a group has it: so much may be taken and not committed. */
class Room {
  taken = 0;
  readonly waiters: RoomWaiters;

  constructor(most: number) {
    this.waiters = new RoomWaiters((bytes, ahead) => this.taken + ahead + bytes > most, nothing);
  }

  commit(bytes: number): void {
    this.taken -= bytes;
    this.waiters.look();
  }

  /** As a request does: waits, takes, gives its place up. */
  async take(bytes: number): Promise<void> {
    const enough = new AbortController();
    for (let wait = this.waiters.ask(bytes, enough.signal); wait !== undefined; ) {
      await wait;
      wait = this.waiters.ask(bytes, enough.signal);
    }
    this.taken += bytes;
    enough.abort();
  }
}

/** As a request does for several groups: a place in each, each asked again as soon as it tells, then all at once. */
async function takeAll(rooms: readonly Room[], bytes: number): Promise<void> {
  const enough = new AbortController();
  const until = async (room: Room, first: Promise<void>): Promise<void> => {
    for (let wait: Promise<void> | undefined = first; wait !== undefined; ) {
      await wait;
      wait = room.waiters.ask(bytes, enough.signal);
    }
  };
  for (;;) {
    const waits = rooms.flatMap((room) => {
      const wait = room.waiters.ask(bytes, enough.signal);
      return wait === undefined ? [] : until(room, wait);
    });
    if (waits.length === 0) break;
    await Promise.all(waits);
  }
  for (const room of rooms) room.taken += bytes;
  enough.abort();
}

async function settle(): Promise<void> {
  for (let at = 0; at < 20; at++) await Promise.resolve();
}

test('a large one among small ones has its turn, and those that came before it theirs', async () => {
  const room = new Room(10);
  await room.take(10);
  const went: string[] = [];
  void room.take(2).then(() => went.push('small'));
  void room.take(9).then(() => went.push('large'));
  let later = 0;
  // Each that goes is followed by another small one, for ever.
  const again = (): Promise<void> =>
    room.take(2).then(() => {
      later++;
      went.push('later');
      return again();
    });
  void again();
  room.commit(2);
  await settle();
  expect(went).toEqual(['small']);
  for (let at = 0; at < 5 && !went.includes('large'); at++) {
    room.commit(2);
    await settle();
  }
  expect(went.slice(0, 2)).toEqual(['small', 'large']);
  expect(later).toBe(0);
  room.commit(9);
  await settle();
  expect(later).toBeGreaterThan(0);
});

test('who comes while others wait for room waits behind them, though there is room for him alone', async () => {
  const room = new Room(10);
  await room.take(5);
  void room.take(8);
  expect(room.waiters.ask(2, AbortSignal.abort())).toBeDefined();
  room.commit(5);
  await settle();
  expect(room.taken).toBe(8);
  expect(room.waiters.ask(2, AbortSignal.abort())).toBeUndefined();
  expect(room.waiters.size).toBe(0);
});

test('as many are let go at once as there is room for', async () => {
  const room = new Room(10);
  await room.take(10);
  const takes = Array.from({ length: 8 }, () => room.take(3));
  room.commit(10);
  await settle();
  expect(room.taken).toBe(9);
  expect(room.waiters.size).toBe(5);
  while (room.waiters.size > 0) {
    room.commit(3);
    await settle();
    expect(room.taken).toBeLessThanOrEqual(10);
  }
  await Promise.all(takes);
});

test('who waits for room in two groups and has it in one does not lose his place there', async () => {
  const [left, right] = [new Room(10), new Room(10)];
  await Promise.all([left.take(10), right.take(10)]);
  const enough = new AbortController();
  expect(left.waiters.ask(6, enough.signal)).toBeDefined();
  expect(right.waiters.ask(6, enough.signal)).toBeDefined();
  left.commit(10);
  await settle();
  expect(left.waiters.ask(6, AbortSignal.abort())).toBeDefined();
  expect(left.waiters.ask(4, AbortSignal.abort())).toBeUndefined();
  right.commit(10);
  expect(left.waiters.ask(6, enough.signal)).toBeUndefined();
  expect(right.waiters.ask(6, enough.signal)).toBeUndefined();
});

test('of those who wait for another group only, room is kept for the first: the others are passed by', async () => {
  const [idle, full] = [new Room(64), new Room(64)];
  await full.take(64);
  const both = Array.from({ length: 64 }, () => takeAll([idle, full], 2));
  await settle();
  expect(idle.taken).toBe(0);
  let went = 0;
  for (let at = 0; at < 6; at++) void idle.take(10).then(() => went++);
  await settle();
  expect([went, idle.taken]).toEqual([6, 60]);
  // Of the four that are left two are for the first of the others.
  expect(idle.waiters.ask(3, AbortSignal.abort())).toBeDefined();
  expect(idle.waiters.ask(2, AbortSignal.abort())).toBeUndefined();
  full.commit(2);
  await settle();
  expect([idle.taken, full.taken]).toEqual([62, 64]);
  // And so on, one after the other, as both have room.
  for (let at = 0; at < 200; at++) {
    (at % 2 === 0 ? idle : full).commit(2);
    await settle();
    expect(idle.taken).toBeLessThanOrEqual(64);
    expect(full.taken).toBeLessThanOrEqual(64);
  }
  await Promise.all(both);
});

test('who asks for two groups has his turn, however many ask for one of them again and again', async () => {
  const rooms = [new Room(10), new Room(10)] as const;
  const under = rooms.map(() => 0);
  // Four for each group that take 2 as soon as they can, for ever.
  for (const [at, room] of rooms.entries()) {
    const again = (): Promise<void> =>
      room.take(2).then(() => {
        under[at] = (under[at] ?? 0) + 1;
        return again();
      });
    for (let n = 0; n < 4; n++) void again();
  }
  await settle();
  const went: string[] = [];
  for (const name of ['first', 'second', 'third']) void takeAll(rooms, 7).then(() => went.push(name));
  for (let at = 0; at < 120 && went.length < 3; at++) {
    rooms[at % 2 === 0 ? 0 : 1].commit(2);
    await settle();
  }
  expect(went).toEqual(['first', 'second', 'third']);
});

test('who only asks and gives no signal is told once, and keeps nothing', async () => {
  const room = new Room(10);
  expect(room.waiters.ask(5)).toBeUndefined();
  expect(room.waiters.size).toBe(0);
  await room.take(10);
  const wait = room.waiters.ask(5);
  expect(room.waiters.size).toBe(1);
  room.commit(10);
  await wait;
  expect(room.waiters.size).toBe(0);
});

test('nothing is kept of those who gave up while there was no room, and the next is looked at', async () => {
  let left = 0;
  const waiters = new RoomWaiters(
    () => true,
    () => left++,
  );
  const enough = new AbortController();
  const other = new AbortController();
  const waits = [waiters.ask(1, enough.signal), waiters.ask(1, enough.signal), waiters.ask(1, other.signal)];
  expect(waiters.size).toBe(2);
  enough.abort();
  await Promise.all(waits.slice(0, 2));
  expect(waiters.size).toBe(1);
  expect(left).toBe(1);
  other.abort();
  await waiters.ask(1, enough.signal);
  expect(waiters.size).toBe(0);
});
