import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MachineCheckpoint } from '../../../../src/engines/streambus/broker/group.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { SoloGroup } from '../support/soloGroup.ts';
import { type NaiveBatch, NaiveLog } from './naiveLog.ts';
import { batchesIn, batchOf, fetchAt, info, type OpenedPartition, openRig, produce } from './rig.ts';

/** How a producer's next batch relates to what it sent before. */
type Relation = 'next' | 'repeat' | 'gap' | 'new epoch' | 'new epoch, not 0' | 'old epoch';

type Step =
  | {
      readonly kind: 'produce';
      readonly producer: number;
      readonly relation: Relation;
      readonly back: number;
      readonly count: number;
      readonly transactional: boolean;
      readonly bytes: number;
    }
  | { readonly kind: 'plain'; readonly count: number; readonly bytes: number }
  | { readonly kind: 'end'; readonly producer: number; readonly commit: boolean; readonly bump: boolean }
  | { readonly kind: 'hold' | 'release' | 'checkpoint' | 'crash' | 'read everything' }
  | { readonly kind: 'bounce'; readonly survive: number }
  | { readonly kind: 'trim'; readonly share: number }
  | { readonly kind: 'fetch'; readonly share: number; readonly maxBytes: number; readonly committed: boolean };

const relation = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Relation>('next') },
  { weight: 4, arbitrary: fc.constant<Relation>('repeat') },
  { weight: 3, arbitrary: fc.constantFrom<Relation>('gap', 'new epoch', 'new epoch, not 0', 'old epoch') },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('produce' as const),
      producer: fc.integer({ min: 1, max: 3 }),
      relation,
      back: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 })),
      count: fc.integer({ min: 1, max: 3 }),
      transactional: fc.boolean(),
      bytes: fc.integer({ min: 0, max: 400 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('plain' as const),
      count: fc.integer({ min: 1, max: 4 }),
      bytes: fc.integer({ min: 0, max: 900 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      producer: fc.integer({ min: 1, max: 3 }),
      commit: fc.boolean(),
      bump: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'hold' as const,
        'release' as const,
        'checkpoint' as const,
        'crash' as const,
        'read everything' as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'hold' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('bounce' as const), survive: fc.integer({ min: 0, max: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fetch' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      maxBytes: fc.integer({ min: 1, max: 3_000 }),
      committed: fc.boolean(),
    }),
  },
);

/** The story of one partition: what it is told, and the list that it must agree with. */
class Story {
  readonly naive = new NaiveLog();
  readonly group = new SoloGroup({ group: info.group });
  checkpoint: MachineCheckpoint | undefined;
  opened: OpenedPartition | undefined;
  held = false;
  coordinatorEpoch = 1;
  /** Answers that must come once what they wait for is committed, with what they must be. */
  open: {
    readonly base: number;
    readonly answer: Promise<{ errorCode: number; baseOffset?: number }>;
    readonly expected: number;
  }[] = [];

  get partition() {
    if (this.opened === undefined) throw new Error('not open');
    return this.opened.partition;
  }

  /** Everything appended is committed. */
  async settle() {
    this.naive.committed = this.naive.all;
    this.naive.tail = [];
    for (const { answer, expected } of this.open.splice(0)) {
      const { errorCode, baseOffset } = await answer;
      expect(errorCode).toBe(0);
      if (baseOffset !== undefined) expect(baseOffset).toBe(expected);
    }
  }

  append(batch: NaiveBatch, answer: Promise<{ errorCode: number; baseOffset?: number }>) {
    this.naive.tail.push(batch);
    this.open.push({ base: batch.base, answer, expected: batch.base });
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'produce': {
        const own = this.naive.all.filter((batch) => batch.producer === step.producer);
        const last = own.at(-1);
        const batches = own.filter((batch) => batch.marker === undefined && batch.epoch === last?.epoch);
        const back = batches.at(-1 - step.back);
        const newest = batches.at(-1);
        const next = newest === undefined ? 0 : (newest.sequence + newest.count) % 2 ** 31;
        let epoch = last?.epoch ?? 0;
        // An unknown producer begins near the place where sequences wrap.
        let sequence = last === undefined ? 2 ** 31 - 3 : next;
        let count = step.count;
        if (step.relation === 'repeat' && back !== undefined) {
          sequence = back.sequence;
          count = back.count;
        } else if (step.relation === 'gap') sequence = (sequence + 1) % 2 ** 31;
        else if (step.relation === 'old epoch') epoch = Math.max(0, epoch - 1);
        else if (step.relation === 'new epoch' || step.relation === 'new epoch, not 0') {
          epoch += 1;
          sequence = step.relation === 'new epoch' ? 0 : 1;
        }
        const verdict = this.naive.judge(step.producer, epoch, sequence, count);
        const base = this.naive.tailEnd;
        const values = Array.from({ length: count }, (_, n) => `${base}:${n}:${'v'.repeat(step.bytes)}`);
        const answer = this.partition.append(
          produce(
            batchOf(values, {
              producerId: step.producer,
              producerEpoch: epoch,
              baseSequence: sequence,
              isTransactional: step.transactional,
            }),
            { transactionalId: step.transactional ? 'tx' : undefined },
          ),
        );
        if (verdict.kind === 'refused') {
          expect(await answer).toMatchObject({ errorCode: verdict.code, baseOffset: -1 });
        } else if (verdict.kind === 'repeat') {
          this.open.push({ base: verdict.base, answer, expected: verdict.base });
        } else {
          this.append(
            {
              base,
              count,
              producer: step.producer,
              epoch,
              sequence,
              transactional: step.transactional,
              marker: undefined,
            },
            answer,
          );
        }
        break;
      }
      case 'plain': {
        const base = this.naive.tailEnd;
        const values = Array.from({ length: step.count }, (_, n) => `${base}:${n}:${'p'.repeat(step.bytes)}`);
        // As kafkajs sends it: no producer, and epoch and sequence of 0.
        const answer = this.partition.append(produce(batchOf(values, { producerEpoch: 0, baseSequence: 0 })));
        this.append(
          { base, count: step.count, producer: -1, epoch: 0, sequence: 0, transactional: false, marker: undefined },
          answer,
        );
        break;
      }
      case 'end': {
        const last = this.naive.all.findLast((batch) => batch.producer === step.producer);
        const epoch = (last?.epoch ?? 0) + (step.bump ? 1 : 0);
        const base = this.naive.tailEnd;
        const isOpen = this.naive.openSince(step.producer, this.naive.all) !== undefined;
        const answer = this.partition.endTransaction({
          producerId: step.producer,
          producerEpoch: epoch,
          commit: step.commit,
          coordinatorEpoch: this.coordinatorEpoch,
        });
        if (last === undefined || isOpen || epoch > last.epoch) {
          this.append(
            {
              base,
              count: 1,
              producer: step.producer,
              epoch,
              sequence: -1,
              transactional: true,
              marker: step.commit ? 'commit' : 'abort',
            },
            answer,
          );
        } else {
          this.open.push({ base: last.base, answer, expected: -1 });
        }
        break;
      }
      case 'hold':
        this.group.hold();
        this.held = true;
        return;
      case 'release':
        this.group.release();
        this.held = false;
        break;
      case 'bounce': {
        const under = this.open.splice(0);
        const survive = Math.min(step.survive, this.naive.tail.length);
        this.group.bounce({ survive: step.survive });
        this.naive.committed = [...this.naive.committed, ...this.naive.tail.slice(0, survive)];
        this.naive.tail = [];
        for (const { answer } of under) expect([0, 20]).toContain((await answer).errorCode);
        break;
      }
      case 'checkpoint':
        this.checkpoint = await this.partition.checkpoint();
        this.partition.checkpointed(this.checkpoint.index);
        break;
      case 'trim': {
        const offset = Math.floor(this.naive.end * step.share);
        if (this.held || offset <= this.naive.start) return;
        expect(await this.partition.deleteBefore(offset)).toEqual({ errorCode: 0, logStartOffset: offset });
        this.naive.start = offset;
        break;
      }
      case 'fetch':
        await this.fetch(
          this.naive.start + Math.floor((this.naive.end - this.naive.start) * step.share),
          step.maxBytes,
          step.committed,
        );
        return;
      case 'read everything':
        for (const batch of this.naive.committed) {
          if (batch.base >= this.naive.start) await this.fetch(batch.base, 1_000, batch.base % 2 === 0);
        }
        return;
      case 'crash':
        return;
    }
    if (this.held) await this.expectUnanswered();
    else await this.settle();
  }

  /** What is not committed must not be acknowledged. */
  async expectUnanswered() {
    const early: number[] = [];
    for (const { base, answer } of this.open) {
      if (base >= this.naive.end) void answer.then(() => early.push(base));
    }
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(early).toEqual([]);
  }

  async fetch(offset: number, maxBytes: number, committed: boolean): Promise<void> {
    const read = await this.partition.read(
      fetchAt(offset, { maxBytes, isolation: committed ? 'read-committed' : 'read-uncommitted' }),
    );
    const { end, stable, start } = this.naive;
    expect(read).toMatchObject({ errorCode: 0, highWatermark: end, lastStableOffset: stable, logStartOffset: start });
    const limit = committed ? stable : end;
    const got = batchesIn(read.records);
    const all = this.naive.committed.filter(
      (batch) => batch.base + batch.count > offset && batch.base + batch.count <= limit,
    );
    expect(got.length > 0).toBe(all.length > 0);
    expect(got.map((batch) => batch.base)).toEqual(all.slice(0, got.length).map((batch) => batch.base));
    if (got.length > 1) expect(read.bytes).toBeLessThanOrEqual(maxBytes);
    const upTo = (got.at(-1)?.last ?? offset - 1) + 1;
    const aborted = this.naive.aborted.filter((one) => one.last >= Math.max(offset, start) && one.first < upTo);
    const told = read.aborted.map((one) => `${one.producerId}@${one.firstOffset}`);
    // What is told beyond is harmless, what is missing is not.
    if (committed) for (const one of aborted) expect(told).toContain(`${one.producerId}@${one.first}`);
    const real = this.naive.aborted.map((one) => `${one.producerId}@${one.first}`);
    for (const one of told) expect(real).toContain(one);
  }
}

const modes = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'] as const;

/** Plays a story; the process dies at each crash and at the end, and begins again with what its disk and its group's log have. */
async function play(steps: readonly Step[], seed: number, buggify: boolean, mutants: readonly string[] = []) {
  const { run, machine } = journalWorld({ seed, buggify, mutants });
  const story = new Story();
  let at = 0;
  while (at < steps.length) {
    await run(async (host) => {
      story.opened = await openRig(host, {
        checkpoint: story.checkpoint,
        group: story.group,
        config: { segmentBytes: 1_500 },
        shared: { cacheBytes: seed % 3 === 0 ? 0 : 2_000 },
      });
      await story.settle();
      if (at > 0) await story.take({ kind: 'read everything' });
      for (; at < steps.length; at++) {
        const next = steps[at];
        if (next === undefined || next.kind === 'crash') break;
        await story.take(next);
      }
      at += 1;
      if (story.held) await story.take({ kind: 'release' });
      await story.take({ kind: 'read everything' });
      expect(story.partition.damage).toEqual([]);
      expect(story.opened.calls.fatal).toEqual([]);
    });
    machine.powerLoss(modes[seed % modes.length] ?? 'drop');
  }
}

const stories = [
  fc.array(step, { minLength: 5, maxLength: 60 }),
  fc.integer({ min: 1, max: 1_000 }),
  fc.boolean(),
] as const;

it('agrees with a list of batches, over elections and power losses', async () => {
  await fc.assert(
    fc.asyncProperty(...stories, (steps, seed, buggify) => play(steps, seed, buggify)),
    { numRuns: 300, seed: 7 },
  );
}, 60_000);

it.each([
  'hw-at-append',
  'window-1',
  'tail-ignored',
  'pid-minus-1-checked',
  'clock-read',
  'repeat-answered-early',
  'error-6-after-append',
  'checkpoint-before-sync',
  'lso-ignores-open',
  'aborted-lost',
])('does not agree with %s', async (mutant) => {
  const result = await fc.check(
    fc.asyncProperty(...stories, (steps, seed, buggify) => play(steps, seed, buggify, [mutant])),
    { numRuns: 1_000, seed: 7, endOnFailure: true },
  );
  expect(result.failed).toBe(true);
});
