import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Prepared,
  prepareAgentWeight,
  prepareAssertion,
  prepareEpoch,
  prepareVote,
} from '../../../src/engines/stemedb/content.ts';
import { ClaimIndex } from '../../../src/engines/stemedb/index/claimIndex.ts';
import { Columns, offset } from '../../../src/engines/stemedb/index/columns.ts';
import { dumpIndex, type IndexRow } from '../../../src/engines/stemedb/index/dump.ts';
import { fieldsOf, fieldsOfPayload, objectHash } from '../../../src/engines/stemedb/index/fold.ts';
import { readManifest, writeManifest } from '../../../src/engines/stemedb/index/manifest.ts';
import { loadPart, PartError, type PartInfo, partFile, writePart } from '../../../src/engines/stemedb/index/parts.ts';
import { encodePayload } from '../../../src/engines/stemedb/records.ts';
import { makeBench } from './support/world.ts';

const AGENTS = ['1a', '2b', '3c'].map((two) => two.repeat(32));
const JOURNAL = 'ab'.repeat(16);

/** A random log: every record refers only to earlier ones. `undefined` is an LSN without a record of the store. */
const log = fc
  .array(
    fc.record({
      kind: fc.constantFrom('assertion', 'assertion', 'assertion', 'vote', 'epoch', 'weight', 'lost'),
      subject: fc.constantFrom('s1', 's2', 'σ3'),
      predicate: fc.constantFrom('p1', 'p2'),
      stage: fc.constantFrom('proposed' as const, 'approved' as const, 'retired' as const),
      agent: fc.option(fc.constantFrom(...AGENTS), { nil: undefined }),
      pick: fc.nat(),
      text: fc.constantFrom('yes', 'no'),
    }),
    { maxLength: 40 },
  )
  .map((draws) => {
    const records: (Prepared | undefined)[] = [];
    for (const [i, draw] of draws.entries()) {
      const of = (type: number) => records.filter((record) => record?.type === type);
      const earlier = (type: number) => of(type)[draw.pick % Math.max(1, of(type).length)]?.id;
      const { subject, predicate, stage, agent } = draw;
      const timestamp = i;
      if (draw.kind === 'assertion') {
        const parent = draw.pick % 2 === 0 ? earlier(1) : undefined;
        const object = draw.pick % 3 === 0 ? { number: draw.pick } : { text: draw.text };
        const epoch = draw.pick % 5 === 0 ? earlier(3) : undefined;
        records.push(
          prepareAssertion({ subject, predicate, object, stage, agent, parent, epoch, confidence: 0.5, timestamp }),
        );
      } else if (draw.kind === 'vote' && earlier(1) !== undefined) {
        records.push(
          prepareVote({ assertion: earlier(1) ?? '', agent: agent ?? AGENTS[0] ?? '', value: 'support', timestamp }),
        );
      } else if (draw.kind === 'epoch') {
        records.push(
          prepareEpoch({ name: `e${i}`, supersedes: draw.pick % 2 === 0 ? earlier(3) : undefined, timestamp }),
        );
      } else if (draw.kind === 'weight') {
        records.push(prepareAgentWeight({ agent: agent ?? AGENTS[1] ?? '', weight: 2, timestamp }));
      } else {
        records.push(undefined);
      }
    }
    return records;
  });

function fold(records: readonly (Prepared | undefined)[]): ClaimIndex {
  const index = new ClaimIndex();
  for (const [i, record] of records.entries()) {
    if (record === undefined) index.addEmpty(i + 1);
    else index.add(i + 1, fieldsOf(record));
  }
  return index;
}

/** The dumb twin: every row found by looking at all others. */
function naiveFold(records: readonly (Prepared | undefined)[]): Partial<IndexRow>[] {
  const lsnOf = (id: string | undefined) => records.findIndex((record) => record !== undefined && record.id === id) + 1;
  const target = ({ content }: Prepared): number => {
    if (content.kind === 'assertion') return lsnOf(content.parent);
    if (content.kind === 'vote') return lsnOf(content.assertion);
    return content.kind === 'epoch' ? lsnOf(content.supersedes) : 0;
  };
  const depth = (record: Prepared): number => {
    const before = records[target(record) - 1];
    return before === undefined ? 0 : depth(before) + 1;
  };
  const lastBefore = (i: number, test: (other: Prepared) => boolean): number =>
    records.slice(0, i).findLastIndex((other) => other !== undefined && test(other)) + 1;
  return records.map((record, i) => {
    if (record === undefined) return { lsn: i + 1, kind: 0, id: '' };
    const { content, id, type } = record;
    const own = target(record);
    const row = { lsn: i + 1, kind: type, id, target: own, timestamp: content.timestamp };
    const previousReference = own === 0 ? 0 : lastBefore(i, (other) => target(other) === own);
    if (content.kind !== 'assertion') {
      const previousWeight = lastBefore(
        i,
        (other) =>
          other.content.kind === 'agent-weight' &&
          content.kind === 'agent-weight' &&
          other.content.agent === content.agent,
      );
      const millionths = content.kind === 'epoch' ? depth(record) : content.kind === 'agent-weight' ? 2_000_000 : 0;
      return {
        ...row,
        previousReference,
        previousOfKey: previousWeight,
        previousOfSubject: 0,
        millionths,
        retired: false,
      };
    }
    const isSame = (other: Prepared, withPredicate: boolean) =>
      other.content.kind === 'assertion' &&
      other.content.subject === content.subject &&
      (!withPredicate || other.content.predicate === content.predicate);
    return {
      ...row,
      subject: content.subject,
      predicate: content.predicate,
      agent: content.agent ?? '',
      epoch: lsnOf(content.epoch),
      millionths: 500_000,
      previousReference,
      previousOfKey: lastBefore(i, (other) => isSame(other, true)),
      previousOfSubject: lastBefore(i, (other) => isSame(other, false)),
      retired: records.some(
        (other) =>
          other?.content.kind === 'assertion' &&
          other.content.stage === 'retired' &&
          other.content.parent === id &&
          other.content.agent === content.agent,
      ),
    };
  });
}

describe('index', () => {
  test('is the naive fold of the log', () => {
    fc.assert(
      fc.property(log, (records) => {
        const index = fold(records);
        expect([...dumpIndex(index)]).toMatchObject(naiveFold(records));
        for (const [i, record] of records.entries())
          if (record !== undefined) expect(index.find(record.id)).toBe(i + 1);
        expect(index.find('00'.repeat(32))).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('is the same from payloads as from what was written', () => {
    fc.assert(
      fc.property(log, (records) => {
        for (const record of records) {
          if (record !== undefined)
            expect(fieldsOfPayload(record.type, encodePayload(record))).toEqual(fieldsOf(record));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('refuses a row out of turn', () => {
    const index = new ClaimIndex();
    expect(() => index.addEmpty(2)).toThrow(RangeError);
  });

  test('tells objects apart by type and value', () => {
    const objects = [
      { text: 'true' },
      { boolean: true },
      { boolean: false },
      { number: 1 },
      { number: 0 },
      { text: '1' },
      { reference: '1' },
    ];
    expect(new Set(objects.map((object) => objectHash(object).join())).size).toBe(objects.length);
    expect(objectHash({ number: -0 })).toEqual(objectHash({ number: 0 }));
  });

  test('columns keep what was written while they grow past a chunk', () => {
    const columns = new Columns();
    for (const row of [1, 1_023, 1_024, 5_000, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 3]) {
      columns.grow(row).target[offset(row)] = row;
    }
    for (const row of [1, 1_024, 5_000, 2 ** 20, 2 ** 20 + 3]) expect(columns.chunk(row).target[offset(row)]).toBe(row);
    expect(() => columns.chunk(2 ** 20 + 4)).toThrow(RangeError);
  });
});

describe('parts', () => {
  /** Writes the index as parts that end at the given rows. */
  async function writeParts(
    disk: Parameters<typeof writePart>[0],
    index: ClaimIndex,
    full: readonly (Prepared | undefined)[],
    cuts: readonly number[],
  ): Promise<PartInfo[]> {
    const parts: PartInfo[] = [];
    for (const last of cuts) {
      const upTo = fold(full.slice(0, last));
      const before = parts.at(-1);
      const range = {
        first: (before?.last ?? 0) + 1,
        last,
        namesBefore: before?.names ?? 0,
        names: upTo.names.size,
        agentsBefore: before?.agents ?? 0,
        agents: upTo.agents.size,
      };
      const bytes = await writePart(disk, '/index', JOURNAL, index, range, async () => undefined);
      parts.push({
        file: partFile(range.first, last),
        first: range.first,
        last,
        level: 0,
        bytes,
        names: range.names,
        agents: range.agents,
      });
    }
    return parts;
  }

  test('give back the index, wherever the boundaries between them are', async () => {
    const bench = makeBench();
    await bench.run(async ({ disk }) => {
      await disk.makeDirectory('/index');
      await fc.assert(
        fc.asyncProperty(log, fc.array(fc.nat(40), { maxLength: 4 }), async (records, draws) => {
          if (records.length === 0) return;
          const cuts = [...new Set([...draws.map((draw) => 1 + (draw % records.length)), records.length])].sort(
            (a, b) => a - b,
          );
          const index = fold(records);
          const parts = await writeParts(disk, index, records, cuts);
          const loaded = new ClaimIndex();
          for (const part of parts) await loadPart(disk, '/index', JOURNAL, part, loaded);
          expect([...dumpIndex(loaded)]).toEqual([...dumpIndex(index)]);
        }),
        { numRuns: 50 },
      );
    });
  });

  test('with any byte flipped are refused, or load what was written', async () => {
    const bench = makeBench();
    await bench.run(async ({ disk }) => {
      await disk.makeDirectory('/index');
      const records = ['a', 'b', 'c'].map((subject, i) =>
        prepareAssertion({
          subject,
          predicate: 'p',
          object: { text: 'x' },
          stage: 'approved',
          agent: AGENTS[i],
          confidence: 1,
          timestamp: i,
        }),
      );
      const index = fold(records);
      const [part] = await writeParts(disk, index, records, [3]);
      if (part === undefined) throw new Error('no part');
      const file = await disk.open(`/index/${part.file}`, { mode: 'write' });
      const bytes = Buffer.alloc(part.bytes);
      await file.read(0, bytes);
      let refused = 0;
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Uint8Array.of((bytes[at] ?? 0) ^ 0x10);
        await file.write(at, [flipped], { durable: false });
        try {
          const loaded = new ClaimIndex();
          await loadPart(disk, '/index', JOURNAL, part, loaded);
          expect([...dumpIndex(loaded)]).toEqual([...dumpIndex(index)]);
        } catch (error) {
          expect(error).toBeInstanceOf(PartError);
          refused++;
        }
        await file.write(at, [bytes.subarray(at, at + 1)], { durable: false });
      }
      expect(refused).toBe(bytes.length);
    });
  });

  test('of another journal, cut short or missing are refused', async () => {
    const bench = makeBench();
    await bench.run(async ({ disk }) => {
      await disk.makeDirectory('/index');
      const records = [prepareEpoch({ name: 'e', timestamp: 1 })];
      const [part] = await writeParts(disk, fold(records), records, [1]);
      if (part === undefined) throw new Error('no part');
      await expect(loadPart(disk, '/index', 'cd'.repeat(16), part, new ClaimIndex())).rejects.toThrow(/journal cdcd/);
      const file = await disk.open(`/index/${part.file}`, { mode: 'write' });
      await file.truncate(part.bytes - 1);
      await expect(loadPart(disk, '/index', JOURNAL, part, new ClaimIndex())).rejects.toThrow(PartError);
      await disk.remove(`/index/${part.file}`);
      await expect(loadPart(disk, '/index', JOURNAL, part, new ClaimIndex())).rejects.toThrow(/ENOENT/);
    });
  });
});

test('a manifest comes back; a damaged one or one with a gap counts as none', async () => {
  const bench = makeBench();
  await bench.run(async ({ disk }) => {
    await disk.makeDirectory('/index');
    expect(await readManifest(disk, '/index')).toBe('missing');
    const part: PartInfo = { file: partFile(1, 5), first: 1, last: 5, level: 0, bytes: 9, names: 1, agents: 0 };
    await writeManifest(disk, '/index', { journal: JOURNAL, parts: [part] });
    expect(await readManifest(disk, '/index')).toMatchObject({ journal: JOURNAL, parts: [part] });
    await writeManifest(disk, '/index', { journal: JOURNAL, parts: [part, { ...part, first: 7, last: 8 }] });
    expect(await readManifest(disk, '/index')).toBe('damaged');
    const file = await disk.open('/index/MANIFEST', { mode: 'write' });
    await file.truncate(10);
    expect(await readManifest(disk, '/index')).toBe('damaged');
  });
});
