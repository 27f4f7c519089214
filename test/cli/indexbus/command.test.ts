import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/cli/exit.ts';
import { indexbusCommand } from '../../../src/cli/indexbus/command.ts';
import { inspectTarget } from '../../../src/cli/indexbus/inspectTarget.ts';
import {
  lanesText,
  perSecond,
  producersText,
  rollText,
  type TopPart,
  type TopProducer,
  topText,
  triageText,
} from '../../../src/cli/indexbus/text.ts';
import { busErrorStatus } from '../../../src/engines/indexbus/errors.ts';
import { explanations } from '../../../src/engines/indexbus/explain.ts';
import { Header, layoutOf, layoutVersion } from '../../../src/engines/indexbus/layout.ts';
import { bodyOfWords } from '../../../src/engines/indexbus/operatorCommands.ts';
import { writeHeader } from '../../../src/engines/indexbus/segment.ts';
import type { LaneView } from '../../../src/engines/indexbus/views.ts';

const aSeat = {
  seat: 0,
  generation: 1,
  name: 'a',
  state: 'live',
  epoch: 1,
  pid: 7,
  verdict: 'alive',
  cpu_seconds: 1,
  rss_bytes: 1,
} as const;
const aLane: LaneView = {
  ...aSeat,
  lane_number: 0,
  subscription: 'all',
  depth: 0,
  oldest_ms: 0,
  lane: 'blocking',
  drop: 'newest',
  access: 'copy',
  capacity: 10,
  credit_limit: 'none',
  detach_after_ms: 'none',
  idle_ratio: 0,
  delivered: 0,
  recv: 0,
  drops: 0,
};
const aProducer: TopProducer = {
  ...aSeat,
  depth: 0,
  free_slots: 1,
  credit_limit: 'none',
  rate_limit: 'none',
  sent: 0,
  credit_waits: 0,
  publish_refused: 0,
  no_route: 0,
  recent_topics: { 'orders.rare': 0.1, 'orders.often': 0.9 },
};

describe('hotfire indexbus', () => {
  it('should have the commands of its contract, each with examples in its help', () => {
    const all = indexbusCommand().commands.flatMap((it) => (it.commands.length > 0 ? it.commands : [it]));
    const names = indexbusCommand().commands.map((it) => it.name());
    expect(names).toEqual(
      expect.arrayContaining(
        'top triage lanes producers lane detach agents ping roll rolling tail inspect explain'.split(' '),
      ),
    );
    for (const command of all) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect([command.name(), help.includes('Examples:\n  $ hotfire indexbus')]).toEqual([command.name(), true]);
      expect([command.name(), help.includes('--json')]).toEqual([command.name(), true]);
    }
  });

  it('should read key=value words, numbers as numbers', () => {
    expect(bodyOfWords(['capacity=8192', 'drop=oldest'])).toEqual({ capacity: 8_192, drop: 'oldest' });
    expect(() => bodyOfWords(['capacity'])).toThrow('key=value');
  });

  it('should explain every code', () => {
    expect(Object.keys(explanations).sort()).toEqual(Object.keys(busErrorStatus).sort());
    const page = readFileSync(resolve('docs/indexbus.md'), 'utf8');
    for (const [code, { means, do: todo }] of Object.entries(explanations)) {
      expect(page).toContain(`| \`${code}\` | ${means} | ${todo} |`);
    }
  });

  it('should print a verdict with its evidence and the next command', () => {
    expect(triageText({ side: 'upstream', evidence: ['a'], next: ['b'] })).toBe(
      'upstream: producers wait\n  a\nnext: b',
    );
    expect([perSecond(0), perSecond(1_500), perSecond(2_360_000)]).toEqual(['0.0 /s', '1.5 k/s', '2.36 M/s']);
  });

  it('should print of which generation a seat is where there are two: a roll waits', () => {
    expect(lanesText([aLane])).not.toContain('generation');
    expect(producersText([aProducer])).not.toContain('generation');
    expect(lanesText([aLane, { ...aLane, generation: 2 }])).toMatch(/^lane +generation .*\n0 +1 .*\n0 +2 /);
    expect(producersText([aProducer, { ...aProducer, generation: 2 }])).toMatch(/^seat +generation .*\n0 +1 .*\n0 +2 /);
  });

  it('should print whom a roll waits for, what is left, and how the wait is ended', () => {
    const consumer = {
      kind: 'consumer',
      seat: 3,
      generation: 1,
      name: 'c1',
      pid: 77,
      state: 'live',
      subscription: 'billing',
      left: 3_120,
      waited_ms: 31_000,
      still_ms: 900,
    } as const;
    const view = {
      segment: 'bus',
      generation: 2,
      waits_for: 'consumers',
      lasts_ms: 32_000,
      waits_ms: 31_000,
      patience_ms: 'none',
      gave_up: 4,
      waits: [consumer],
    } as const;
    const text = rollText(view);
    for (const part of [
      'generation 2',
      'no bound',
      '4 messages given up',
      'billing',
      '3120',
      'hotfire indexbus detach 3@1',
    ]) {
      expect(text).toContain(part);
    }
    expect(rollText({ ...view, patience_ms: 60_000, waits: [] })).not.toMatch(/no bound|detach/);
  });

  it('should show the parts that are wanted, what is fullest first, and no others', () => {
    const lane = (number: number, depth: number) => ({ ...aLane, lane_number: number, name: `lane-${number}`, depth });
    const producer = (seat: number, depth: number) => ({ ...aProducer, seat, name: `producer-${seat}`, depth });
    const shown = (...parts: TopPart[]): string =>
      topText(
        'bus',
        {},
        { side: 'none', evidence: [], next: [] },
        [lane(0, 1), lane(1, 9)],
        [producer(0, 0), producer(1, 5)],
        parts,
      );
    const order = (text: string): readonly string[] =>
      [...text.matchAll(/(?:lane|producer)-\d|orders\.\w+/g)].map(([it]) => it);
    expect(order(shown('lane'))).toEqual(['lane-1', 'lane-0']);
    expect(order(shown('producer'))).toEqual(['producer-1', 'producer-0']);
    expect(shown('lane')).not.toContain('producers');
    expect(order(shown('topic')).slice(0, 3)).toEqual(['producer-0', 'orders.often', 'producer-0']);
  });

  it.each(['foo', '', 'lane,,topic', 'lanes'])('should refuse --by %j, before it asks anybody', async (by) => {
    const command = indexbusCommand().exitOverride();
    await expect(
      command.parseAsync(['top', '--once', '--url', '127.0.0.1:1', '--by', by], { from: 'user' }),
    ).rejects.toThrow('--by: expected a list of lane, producer, topic, got');
  });

  it('should print names that damage has made without what a terminal obeys', () => {
    const text = lanesText([{ ...aLane, name: 'a\u001b[2J\u009bb' }]);
    expect(text).toContain('a\\u{1b}[2J\\u{9b}b');
  });

  it('should tell of a lane that was fenced that its consumer is stopped, and whose drops its count are', () => {
    const text = lanesText([{ ...aLane, state: 'fenced', verdict: 'stopped' }]);
    expect(text).toContain('fenced, stopped');
    expect(text).toContain('drops of seat');
    expect(lanesText([{ ...aLane, state: 'draining', verdict: 'dead' }])).toMatch(/ draining {2}/);
  });
});

describe('hotfire indexbus inspect', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-inspect-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const layout = layoutOf({ producers: 1, lanes: 1, slots: 4, laneRing: 4, slotBytes: 64, topics: 1 });
  const whole = new Uint8Array(layout.bytes);
  writeHeader(new Int32Array(whole.buffer), whole, layout, 1, [1, 2, 3, 4]);

  it.each<[string, (bytes: Uint8Array) => Uint8Array, string]>([
    ['empty', () => new Uint8Array(0), 'IB_FOREIGN'],
    ['foreign', () => new TextEncoder().encode('#!/bin/sh\n'.repeat(1_000)), 'IB_FOREIGN'],
    ['cut', (bytes) => bytes.slice(0, 4_096), 'IB_TRUNCATED'],
    ['damaged', (bytes) => bytes.with(4 * Header.slotBytes, 7), 'IB_CORRUPT'],
    ['of another release', (bytes) => bytes.with(4 * Header.version, layoutVersion + 1), 'IB_VERSION'],
  ])('should name a file that is %s, what was expected and what came, as damaged data', async (name, change, code) => {
    const file = join(directory, name);
    writeFileSync(file, change(whole));
    const error: unknown = await inspectTarget(file, undefined).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code, exitCode: 65, message: expect.stringMatching(/Expected .+, got .+/) });
    expect(String(error)).not.toContain('.json');
  });

  it('should take a word for a name where no file has it, and every word beside --directory', async () => {
    const here = process.cwd();
    const nobody = expect.objectContaining({ code: 'IB_NO_SEGMENT', exitCode: 65 });
    mkdirSync(join(directory, 'hotfire-none'));
    writeFileSync(join(directory, 'hotfire-copy'), whole);
    try {
      process.chdir(directory);
      await expect(inspectTarget('hotfire-none', undefined)).rejects.toEqual(nobody);
      expect(await inspectTarget('hotfire-copy', undefined)).toMatchObject({ generation: 1 });
      await expect(inspectTarget('hotfire-copy', '/dev/shm')).rejects.toEqual(nobody);
      expect(await inspectTarget('./hotfire-copy', undefined)).toMatchObject({ generation: 1 });
    } finally {
      process.chdir(here);
    }
    for (const path of ['../hotfire-none', './hotfire-none']) {
      await expect(inspectTarget(path, undefined)).rejects.toThrow(UsageError);
    }
    for (const name of ['hotfire none', 'n'.repeat(300)]) {
      await expect(inspectTarget(name, undefined)).rejects.toThrow(UsageError);
    }
  });

  it.skipIf(process.getuid?.() !== 0)(
    "should end with 77 where the segment is another user's (needs root)",
    async () => {
      const memory = mkdtempSync('/dev/shm/hotfire-inspect-');
      try {
        writeFileSync(join(memory, 'theirs.json'), '{}');
        chownSync(join(memory, 'theirs.json'), 65_534, 65_534);
        const error: unknown = await inspectTarget('theirs', memory).catch((failure: unknown) => failure);
        expect(error).toMatchObject({ code: 'IB_NOT_PERMITTED', exitCode: 77 });
      } finally {
        rmSync(memory, { recursive: true });
      }
    },
  );

  it('should read a whole one, and refuse a directory as wrong usage', async () => {
    const file = join(directory, 'whole');
    writeFileSync(file, whole);
    expect(await inspectTarget(file, undefined)).toMatchObject({ generation: 1, state: 'open' });
    await expect(inspectTarget(directory, undefined)).rejects.toThrow(UsageError);
  });
});
