import { describe, expect, it } from 'vitest';
import type { Entry, HardState } from '../../../../src/consensus/types.ts';
import {
  type CheckpointRecord,
  carriedRecords,
  checkpointRecord,
  entriesRecords,
  hardStateRecord,
  removedRecord,
} from '../../../../src/engines/streambus/broker/journalFormat.ts';
import { recoverGroups } from '../../../../src/engines/streambus/broker/recovery.ts';
import type { Journal, RecordIn, RecordOut } from '../../../../src/storage/journal/index.ts';

const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** A journal that has these records from `first` on. */
function journalOf(records: readonly RecordIn[], first = 1): Journal {
  const all = records.map(({ type, stream = 0, payload }, at): RecordOut => {
    const bytes = Uint8Array.from(payload instanceof Uint8Array ? payload : Buffer.concat(payload));
    return { lsn: at + 1, stream, type, wallMs: 0, payload: bytes };
  });
  const scan = async function* (): AsyncGenerator<readonly RecordOut[]> {
    for (const record of all) if (record.lsn >= first) yield [record];
  };
  // Recovery uses these two alone.
  return { firstLsn: first, scan } as unknown as Journal;
}

function checkpoint(index: number, term: number, more: Partial<CheckpointRecord> = {}): CheckpointRecord {
  return {
    generation: 1,
    metadata: { index, term, confState },
    replacesLog: false,
    probation: false,
    data: undefined,
    ...more,
  };
}

function entry(index: number, term: number): Entry {
  return { index, term, type: 'normal', data: new TextEncoder().encode(`${index}/${term}`) };
}

function draws(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
}

/** A group as a plain list keeps it, and what of the journal it needs. */
class Twin {
  log = new Map<number, { entry: Entry; lsn: number }>();
  last = 1;
  hardState: HardState = { term: 1, vote: 0, commit: 1 };
  base = 1;
  hardStateLsn = 0;
  checkpointLsn = 0;

  append(entries: readonly Entry[], lsn: number): void {
    for (const one of entries) this.log.set(one.index, { entry: one, lsn });
    const end = entries.at(-1)?.index ?? this.last;
    for (let at = end + 1; at <= this.last; at++) this.log.delete(at);
    this.last = end;
  }

  /** What lies behind the checkpoint. */
  held(): Entry[] {
    return Array.from(this.log.values(), (one) => one.entry)
      .filter(({ index }) => index > this.base)
      .sort((left, right) => left.index - right.index);
  }

  /** All that lies behind the checkpoint stands once more in the journal, a piece a record. */
  carried(pieces: readonly (readonly Entry[])[], lsn: number): void {
    for (const [at, piece] of pieces.entries()) {
      for (const one of piece) this.log.set(one.index, { entry: one, lsn: lsn + at });
    }
  }

  get neededLsn(): number {
    let needed = Math.min(this.hardStateLsn, this.checkpointLsn);
    for (const [index, { lsn }] of this.log) if (index > this.base) needed = Math.min(needed, lsn);
    return needed;
  }
}

describe('recovery of groups', () => {
  it('agrees with a plain list, also when the oldest files have gone', async () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const below = draws(seed);
      const records: RecordIn[] = [];
      const twins = [new Twin(), new Twin()];
      const put = (more: readonly RecordIn[]): number => {
        const lsn = records.length + 1;
        records.push(...more);
        return lsn;
      };
      for (const [group, twin] of twins.entries()) {
        twin.checkpointLsn = put([checkpointRecord(group, checkpoint(1, 1))]);
        twin.hardStateLsn = put([hardStateRecord(group, twin.hardState)]);
      }
      for (let step = 0; step < 60; step++) {
        const group = below(2);
        const twin = twins[group];
        if (twin === undefined) throw new Error('two groups');
        const { hardState } = twin;
        switch (below(8)) {
          case 0:
            twin.hardState = { term: hardState.term + 1, vote: below(4), commit: hardState.commit };
            twin.hardStateLsn = put([hardStateRecord(group, twin.hardState)]);
            break;
          case 1: {
            // A checkpoint of something that is there.
            const index = twin.base + below(twin.last - twin.base + 1);
            twin.checkpointLsn = put([checkpointRecord(group, checkpoint(index, 1))]);
            if (below(3) === 0) {
              // It was not durable yet when all was carried forward behind the one before it.
              twin.hardStateLsn = put([
                hardStateRecord(group, hardState),
                checkpointRecord(group, checkpoint(twin.base, 1)),
                ...carriedRecords(group, twin.held(), hardState.commit),
              ]);
              if (index === twin.base) twin.checkpointLsn = twin.hardStateLsn + 1;
            }
            twin.base = index;
            break;
          }
          case 2: {
            const index = twin.last + below(5) - 1;
            if (index <= twin.base) break;
            twin.checkpointLsn = put([checkpointRecord(group, checkpoint(index, 2, { replacesLog: true }))]);
            twin.base = index;
            twin.last = index;
            twin.log.clear();
            break;
          }
          case 7: {
            // It has lost what it had applied, and begins without a log on probation.
            if (below(4) > 0) break;
            const onProbation = checkpoint(0, 0, { replacesLog: true, probation: true });
            twin.checkpointLsn = put([checkpointRecord(group, onProbation)]);
            twin.hardStateLsn = put([hardStateRecord(group, hardState)]);
            twin.base = 0;
            twin.last = 0;
            twin.log.clear();
            break;
          }
          case 3: {
            // Carried forward in records of a few entries each; a crash may leave only the first of them.
            const held = twin.held();
            const pieces: Entry[][] = [];
            const count = below(2) === 0 ? held.length : below(held.length + 1);
            for (let from = 0; from < count; ) {
              const to = Math.min(count, from + 1 + below(3));
              pieces.push(held.slice(from, to));
              from = to;
            }
            twin.hardStateLsn = put([
              hardStateRecord(group, hardState),
              checkpointRecord(group, checkpoint(twin.base, 1)),
              ...pieces.flatMap((piece) => carriedRecords(group, piece, hardState.commit)),
            ]);
            twin.checkpointLsn = twin.hardStateLsn + 1;
            if (count === held.length) twin.carried(pieces, twin.checkpointLsn + 1);
            break;
          }
          default: {
            const wanted = Math.max(twin.base + 1, twin.last + 1 - below(4));
            // A leader replaces what others have appended, never its own.
            const isOwn = twin.log.get(twin.last)?.entry.term === hardState.term;
            const from = isOwn ? twin.last + 1 : wanted;
            const entries = Array.from({ length: 1 + below(5) }, (_, at) => entry(from + at, hardState.term));
            const lsn = put(entriesRecords(group, entries, hardState.commit));
            twin.append(entries, lsn);
          }
        }
      }
      const first = 1 + below(Math.min(...twins.map((twin) => twin.neededLsn)));
      const { groups } = await recoverGroups(journalOf(records, first));
      for (const [group, twin] of twins.entries()) {
        const found = groups.get(group);
        const expected = Array.from(
          { length: twin.last - twin.base },
          (_, at) => twin.log.get(twin.base + 1 + at)?.entry,
        );
        expect(found?.checkpoint.metadata.index, `seed ${seed}`).toBe(twin.base);
        expect(found?.entries, `seed ${seed}`).toEqual(expected);
        expect(found?.hardState.term, `seed ${seed}`).toBe(twin.hardState.term);
        expect(found?.hardState.vote, `seed ${seed}`).toBe(twin.hardState.vote);
        const needed = Math.min(found?.hardStateLsn ?? 0, found?.checkpointLsn ?? 0, found?.marks[0]?.lsn ?? 1e9);
        expect(needed, `seed ${seed}`).toBeLessThanOrEqual(twin.neededLsn);
      }
    }
  });

  it('never says more committed than there is', async () => {
    const records = [
      checkpointRecord(7, checkpoint(1, 1)),
      hardStateRecord(7, { term: 3, vote: 2, commit: 90 }),
      ...entriesRecords(7, [entry(2, 3), entry(3, 3)], 1),
    ];
    const { groups } = await recoverGroups(journalOf(records));
    expect(groups.get(7)?.hardState).toEqual({ term: 3, vote: 2, commit: 3 });
  });

  it('remembers that a group was removed, until it begins anew', async () => {
    const removed = { generation: 1, metaIndex: 55, term: 4, vote: 2 };
    const records = [checkpointRecord(7, checkpoint(1, 1)), removedRecord(7, removed)];
    const gone = await recoverGroups(journalOf(records));
    expect(gone.groups.has(7)).toBe(false);
    expect(gone.removed.get(7)).toEqual({ ...removed, lsn: 2 });
    const again = await recoverGroups(
      journalOf([...records, checkpointRecord(7, checkpoint(0, 0, { generation: 2 }))]),
    );
    expect(again.groups.get(7)?.checkpoint.generation).toBe(2);
    expect(again.removed.size).toBe(0);
  });

  it('reads what earlier versions wrote of a removed group, without its vote', async () => {
    const { type, payload } = removedRecord(7, { generation: 1, metaIndex: 55, term: 4, vote: 2 });
    const older = { type, stream: 7, payload: Uint8Array.from(payload as Uint8Array).subarray(0, 10) };
    const { removed } = await recoverGroups(journalOf([older]));
    expect(removed.get(7)).toEqual({ generation: 1, metaIndex: 55, term: 0, vote: 0, lsn: 1 });
  });
});
