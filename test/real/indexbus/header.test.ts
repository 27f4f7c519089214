import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { indexbusHeader, indexbusHeaderPath } from '../../../build/indexbusHeader.ts';
import { frozen, isFrozen } from '../../../src/engines/indexbus/cursor.ts';
import { keyHash } from '../../../src/engines/indexbus/descriptor.ts';
import { type Layout, Lock, layoutOf, type SegmentSizes } from '../../../src/engines/indexbus/layout.ts';
import { compiled, hasProgram, inScratch } from './support/compiler.ts';

describe('the header for C', () => {
  it('is what the layout gives: npm run indexbus:header writes it', () => {
    expect(readFileSync(indexbusHeaderPath, 'utf8')).toBe(indexbusHeader());
  });

  it('has each number once', () => {
    const names = [...indexbusHeader().matchAll(/^#define (\w+) \S+$/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(150);
    expect(new Set(names).size).toBe(names.length);
  });

  it.skipIf(!hasProgram('gcc', '--version'))('lays segments out as this side does, and has its arithmetic (gcc)', () =>
    inScratch((directory) => {
      const source = join(directory, 'print.c');
      writeFileSync(source, printing(sizes));
      const printed: unknown = JSON.parse(execFileSync(compiled(source, directory), { encoding: 'utf8' }));
      expect(printed).toEqual([...sizes.map((it) => wordsOf(layoutOf(it))), ...numbersOf()]);
    }),
  );
});

const sizes: readonly SegmentSizes[] = [
  { producers: 16, lanes: 16, slots: 8192, laneRing: 16384, slotBytes: 256, topics: 1024 },
  { producers: 1, lanes: 1, slots: 4, laneRing: 2, slotBytes: 64, topics: 1 },
  { producers: 64, lanes: 3, slots: 1 << 20, laneRing: 1 << 20, slotBytes: 65536, topics: 2048 },
];

const cursors = [0, 5, 0x7fff_fffe, 0x8000_0003, 0xffff_fffd];

/** Generations whose locks of seats both sides compute. */
const generations = [1, 2, 31, 32, 0xffff_ffff];

/** Frozen or not, near a cursor, as both sides judge it; then hashes of keys, and locks of seat 127. */
function numbersOf(): number[] {
  return [
    ...cursors.flatMap((head) => [
      frozen(head) >>> 0,
      isFrozen(frozen(head), head | 0) ? 1 : 0,
      isFrozen(head | 0, (head - 3) | 0) ? 1 : 0,
    ]),
    ...cursors.map(keyHash),
    ...generations.map((it) => Lock.seat(it, 127)),
  ];
}

/** The members of `struct hfib_layout`, in order. */
function wordsOf(it: Layout): number[] {
  const { producerSeats, laneSeats, producerCursors, laneCursors, redo, sample, topicNames, subscriptions } = it;
  const parts = [producerSeats, laneSeats, producerCursors, laneCursors, redo, sample, topicNames, subscriptions];
  return [...parts, it.sources, it.returns, it.laneRings, it.pools, it.bytes];
}

function printing(all: readonly SegmentSizes[]): string {
  const lays = all.map(
    (it) =>
      `  print_layout((struct hfib_sizes){${it.producers}, ${it.lanes}, ${it.slots}, ${it.laneRing}, ${it.slotBytes}, ${it.topics}});`,
  );
  const judged = cursors.map(
    (head) =>
      `  printf(",%u,%d,%d", hfib_frozen(${head}u), hfib_is_frozen(hfib_frozen(${head}u), ${head}u), hfib_is_frozen(${head}u, ${head}u - 3));`,
  );
  const hashed = cursors.map((key) => `  printf(",%u", hfib_key_hash(${key}u));`);
  const locked = generations.map((it) => `  printf(",%u", hfib_seat_lock(${it}u, 127));`);
  return `#include <stdio.h>
#include "hotfire_indexbus.h"
static const char *before = "[";
static void print_layout(struct hfib_sizes sizes) {
  const struct hfib_layout l = hfib_layout_of(&sizes);
  const uint64_t *word = (const uint64_t *)&l;
  printf("%s", before);
  before = ",";
  for (unsigned i = 0; i < sizeof l / sizeof *word; i++) printf("%s%llu", i == 0 ? "[" : ",", (unsigned long long)word[i]);
  printf("]");
}
int main(void) {
${[...lays, ...judged, ...hashed, ...locked].join('\n')}
  printf("]");
  return 0;
}
`;
}
