import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import type { Attachment } from '../../../src/engines/indexbus/join.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { type Follower, RollWatch } from '../../../src/engines/indexbus/roll.ts';
import { createSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import { SharedMemoryError } from '../../../src/host/sharedMemory.ts';
import { Peers, peerSizes } from './support/peers.ts';

let peers: Peers;
let host: Host;
let opened: number;
/** What the next looks at the name fail with. */
let failures: Error[];
/** The looks that the watch has put off. */
let timers: (() => void)[];
let segment: Segment;
const closing = new AbortController();
beforeEach(async () => {
  peers = new Peers();
  const plain = peers.host();
  const { shm } = plain;
  opened = 0;
  failures = [];
  timers = [];
  const open: typeof shm.open = (...args) => {
    opened += 1;
    return shm.open(...args);
  };
  const stat: typeof shm.stat = async (...args) => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return shm.stat(...args);
  };
  // No time of its own: a test says when it looks.
  const timer: typeof plain.clock.timer = (_, fn) => {
    timers.push(fn);
    return { cancel: () => {} };
  };
  host = { ...plain, clock: { ...plain.clock, timer }, shm: { ...shm, open, stat } } satisfies Host;
  segment = await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 1);
});
afterEach(() => peers.end());

/** A watch of two segments, of which both are rolled, and what its follower is attached to. */
async function watchOfTwo(follower: (former: readonly Attachment[]) => Follower): Promise<RollWatch> {
  const places = ['bus', 'other'].map((name) => ({ shm: host.shm, name }));
  const other = await createSegment({ shm: host.shm, name: 'other' }, peerSizes, 1);
  const former: Attachment[] = [];
  for (const place of places) former.push(await attach(host, place, 0));
  const watch = new RollWatch(host, places, former, new Set([follower(former)]), new Set(), closing.signal);
  for (const { words } of [segment, other]) Atomics.store(words, Header.state, SegmentState.draining);
  for (const { name } of places) await createSegment({ shm: host.shm, name }, peerSizes, 2);
  return watch;
}

async function watchWith(...followers: Follower[]): Promise<{ watch: RollWatch; attachment: Attachment }> {
  const place = { shm: host.shm, name: 'bus' };
  const attachment = await attach(host, place, 0);
  const watch = new RollWatch(host, [place], [attachment], new Set(followers), new Set(), closing.signal);
  opened = 0;
  return { watch, attachment };
}

describe('a segment that is drained for good', () => {
  it('is not opened again and again by who stays there, and left as soon as there is a next generation', async () => {
    const { watch } = await watchWith();
    Atomics.store(segment.words, Header.state, SegmentState.draining);
    for (let look = 0; look < 20; look += 1) await watch.look();
    expect(opened).toBe(0);
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    opened = 0;
    await watch.look();
    expect(opened).toBe(1);
    expect(watch.attachment(0).segment.generation).toBe(2);
  });

  it('is waited at while nobody has its name', async () => {
    const { watch } = await watchWith();
    Atomics.store(segment.words, Header.state, SegmentState.retired);
    await host.shm.remove('bus');
    await watch.look();
    expect(watch.attachment(0).segment.generation).toBe(1);
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    await watch.look();
    expect(watch.attachment(0).segment.generation).toBe(2);
  });
});

describe('a look that fails', () => {
  /** What stat(2) and open(2) of a process say that has as many files as it may have. */
  const tooMany = () => new SharedMemoryError('EACCES', 'open', 'bus', 'bus.json: EMFILE');

  /** Lets the watch look by itself, and waits until it has put off the next look. */
  async function nextLook(): Promise<void> {
    const look = timers.shift();
    expect(look).toBeDefined();
    look?.();
    await expect.poll(() => timers.length).toBe(1);
  }

  it('is told once and made anew: what has come meanwhile is found then', async () => {
    const { watch } = await watchWith();
    Atomics.store(segment.words, Header.state, SegmentState.draining);
    failures = [tooMany(), tooMany()];
    await nextLook();
    await nextLook();
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    await nextLook();
    expect(watch.attachment(0).segment.generation).toBe(2);
    expect(peers.logged).toEqual([
      { message: 'bus.roll_waits', fields: { segment: 'bus', error: 'BusError: bus: bus.json: EMFILE' } },
    ]);
  });

  it('for a reason that nobody knows is told and made anew too', async () => {
    const { watch } = await watchWith();
    Atomics.store(segment.words, Header.state, SegmentState.draining);
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    failures = [new RangeError('no room for the buffer')];
    await nextLook();
    expect(watch.attachment(0).segment.generation).toBe(1);
    await nextLook();
    expect(watch.attachment(0).segment.generation).toBe(2);
    expect(peers.logged).toEqual([
      { message: 'bus.roll_waits', fields: { segment: 'bus', error: 'RangeError: no room for the buffer' } },
    ]);
  });

  it('keeps nobody from a seat: a call that waits for the next generation gets it there', async () => {
    const { watch } = await watchWith();
    Atomics.store(segment.words, Header.state, SegmentState.draining);
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    failures = [tooMany()];
    const generation = await watch.within(0, 5_000, async (attachment) => {
      if (attachment.segment.generation === 1) throw new BusError('IB_RETIRED', 'takes nobody any more');
      return attachment.segment.generation;
    });
    expect(generation).toBe(2);
  });
});

describe('a participant that cannot go on yet', () => {
  it('says why once, and again when it is for another reason', async () => {
    const reasons = ['no seat', 'no seat', 'no seat', 'no answer'];
    const former: { attachment?: Attachment } = {};
    const follower: Follower = {
      attachmentOf: () => {
        if (former.attachment === undefined) throw new Error('attached before');
        return former.attachment;
      },
      mayFollow: () => reasons.length > 0,
      follow: () => Promise.reject(new Error(reasons.shift())),
    };
    const { watch, attachment } = await watchWith(follower);
    former.attachment = attachment;
    Atomics.store(segment.words, Header.state, SegmentState.draining);
    await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 2);
    while (reasons.length > 0) {
      await watch.look();
      // The move ends after the look.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const waits = peers.logged.filter(({ message }) => message === 'bus.roll_waits');
    expect(waits.map(({ fields }) => fields)).toEqual([
      { segment: 'bus', error: 'Error: no seat' },
      { segment: 'bus', error: 'Error: no answer' },
    ]);
  });

  it('in one segment goes on in the others meanwhile, and is not moved twice in one', async () => {
    const moves: string[] = [];
    let end = (): void => {};
    const watch = await watchOfTwo((former) => ({
      attachmentOf: (at) => former[at] ?? expect.fail(`no segment ${at}`),
      mayFollow: () => true,
      follow: (_, to) => {
        moves.push(to.segment.name);
        return new Promise((resolve) => {
          end = resolve;
        });
      },
    }));
    await watch.look();
    await watch.look();
    expect(moves).toEqual(['bus', 'other']);
    // The later of the two.
    end();
    await new Promise((resolve) => setImmediate(resolve));
    await watch.look();
    expect(moves).toEqual(['bus', 'other', 'other']);
  });

  it('in several segments says so once of each', async () => {
    let moves = 0;
    const watch = await watchOfTwo((former) => ({
      attachmentOf: (at) => former[at] ?? expect.fail(`no segment ${at}`),
      mayFollow: () => true,
      follow: (_, to) => {
        moves += 1;
        return Promise.reject(new Error(`no seat in ${to.segment.name}`));
      },
    }));
    for (let look = 0; look < 3; look += 1) {
      await watch.look();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(moves).toBe(6);
    expect(peers.logged.map(({ fields }) => fields)).toEqual([
      { segment: 'bus', error: 'Error: no seat in bus' },
      { segment: 'other', error: 'Error: no seat in other' },
    ]);
  });
});
