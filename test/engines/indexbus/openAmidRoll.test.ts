import { describe, expect, it } from 'vitest';
import { createSegment, openSegment } from '../../../src/engines/indexbus/segment.ts';
import type { SharedMemory } from '../../../src/host/sharedMemory.ts';
import { createSabSegments, createSabSharedMemory } from '../../../src/real/sharedMemory.ts';
import { codeOf, peerSizes } from './support/peers.ts';

/** A process's shared memory in which a generation of other sizes has the name when the former one's size was just told, so many times. */
function rolledAmid(rolls: number, from: number, to: number) {
  const memory = createSabSegments();
  const builder = createSabSharedMemory(memory, { pid: 1, startTicks: 1, pidSpace: 1 });
  const shm = createSabSharedMemory(memory, { pid: 2, startTicks: 1, pidSpace: 1 });
  const slotsOf = (generation: number): number => (generation % 2 === 1 ? from : to);
  const build = (generation: number) =>
    createSegment({ shm: builder, name: 'bus' }, { ...peerSizes, slots: slotsOf(generation) }, generation);
  let generation = 1;
  const opening: SharedMemory = {
    ...shm,
    stat: async (name, options) => {
      const told = await shm.stat(name, options);
      if (generation <= rolls) {
        generation += 1;
        await build(generation);
      }
      return told;
    },
  };
  return { place: { shm: opening, name: 'bus' }, begin: () => build(1) };
}

describe('who opens a segment while it is rolled', () => {
  it.for([
    { change: 'more slots', from: 64, to: 1024 },
    { change: 'fewer slots', from: 1024, to: 64 },
    { change: 'as many slots', from: 64, to: 64 },
    { change: 'more slots, and two rolls after it', from: 64, to: 1024, rolls: 3 },
  ])('gets the generation that has the name then, whole: $change', async ({ from, to, rolls = 1 }) => {
    const { place, begin } = rolledAmid(rolls, from, to);
    await begin();
    const segment = await openSegment(place);
    expect([segment.generation, segment.layout.sizes.slots]).toEqual([rolls + 1, to]);
    expect(segment.bytes.byteLength).toBe(segment.layout.bytes);
  });

  it('does not look for ever', async () => {
    const { place, begin } = rolledAmid(1000, 64, 1024);
    await begin();
    expect(await codeOf(() => openSegment(place))).toBe('IB_NO_SEGMENT');
  });
});
