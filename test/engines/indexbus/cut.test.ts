import { afterEach, describe, expect, it, vi } from 'vitest';
import { Cut, cutLaneWords, cutProducerWords, cutWords, Seat } from '../../../src/engines/indexbus/layout.ts';
import { readCut } from '../../../src/engines/indexbus/sample.ts';
import { holderOf, seatPlace, writeHolder } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus } from './support/bus.ts';

/** Tells which words of the segment were accessed by `Atomics` from here on. */
function accesses(bus: TestBus, kind: 'load' | 'store'): () => ReadonlySet<unknown> {
  // Its overloads for other arrays are of no use here.
  const atomics: Record<typeof kind, (array: Int32Array, word: number, value: number) => number> = Atomics;
  const spy = vi.spyOn(atomics, kind);
  return () => new Set(spy.mock.calls.filter(([array]) => array === bus.segment.words).map(([, word]) => word));
}

/** Numbers of the words of both cuts. */
function wordsOfCuts({ layout }: TestBus['segment']): readonly number[] {
  return Array.from({ length: 2 * cutWords }, (_, index) => layout.sample + index);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('words that readers must see together', () => {
  it('are each stored atomically, where the router writes a cut', () => {
    const bus = new TestBus({ router: { counterSampleMs: 0 } });
    const { words, layout } = bus.segment;
    const cut = wordsOfCuts(bus.segment);
    const sequences = new Set<number>([Cut.before, Cut.after]);
    // What no store touches keeps this.
    for (const word of cut) if (!sequences.has((word - layout.sample) % cutWords)) words[word] = -7;
    const stored = accesses(bus, 'store');
    bus.router.poll();
    bus.router.poll();
    const written = cut.filter((word) => words[word] !== -7);
    const atomically = stored();
    expect(written.filter((word) => !atomically.has(word))).toEqual([]);
    const { producers, lanes } = layout.sizes;
    expect(written).toHaveLength(2 * (3 + producers * cutProducerWords + lanes * cutLaneWords + 4));
  });

  it('are each loaded atomically, where somebody reads a cut', () => {
    const bus = new TestBus();
    bus.router.poll();
    const loaded = accesses(bus, 'load');
    const into = new Int32Array(cutWords);
    expect(readCut(bus.segment.words, bus.segment.layout, into)).toBe(true);
    const atomically = loaded();
    const { sample } = bus.segment.layout;
    const place = sample + ((into[Cut.after] ?? 0) & 1) * cutWords;
    expect(Array.from({ length: cutWords }, (_, word) => place + word).filter((word) => !atomically.has(word))).toEqual(
      [],
    );
  });

  it('and so those that tell who holds a seat', () => {
    const bus = new TestBus();
    const { at } = seatPlace(bus.segment.layout, 'consumer', 1);
    const holder = { pid: 4711, startTicks: 2 ** 40 + 5, pidSpace: 99 };
    const words = [Seat.pid, Seat.startTicks, Seat.startTicks + 1, Seat.pidSpace].map((word) => at + word);
    const stored = accesses(bus, 'store');
    writeHolder(bus.segment.words, at, holder);
    expect([...stored()]).toEqual(words);
    const loaded = accesses(bus, 'load');
    expect(holderOf(bus.segment.words, at)).toEqual(holder);
    expect([...loaded()]).toEqual(words);
  });
});
