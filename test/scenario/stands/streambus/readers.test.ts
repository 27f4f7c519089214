import { describe, expect, test } from 'vitest';
import {
  checkpointRecord,
  entriesRecords,
  hardStateRecord,
  removedRecord,
} from '../../../../src/engines/streambus/broker/journalFormat.ts';
import type { Host } from '../../../../src/host/host.ts';
import { streamBusDevicesSchema } from '../../../../src/scenario/stands/streambus/devices.ts';
import type { GroupFeed } from '../../../../src/scenario/stands/streambus/groupFeed.ts';
import type { JournalRecord } from '../../../../src/scenario/stands/streambus/journalBytes.ts';
import { watchMedia } from '../../../../src/scenario/stands/streambus/mediaWatch.ts';
import { NodeRecord } from '../../../../src/scenario/stands/streambus/nodeRecord.ts';
import { decodeAssignment, encodeAssignment } from '../../../../src/scenario/stands/streambus/workload/assignment.ts';
import { consume } from '../../../../src/scenario/stands/streambus/workload/batches.ts';
import { World } from '../../../../src/sim/world.ts';
import { makeDirectoryDurably } from '../../../../src/storage/atomicFile.ts';
import { openJournal } from '../../../../src/storage/journal/index.ts';
import { stampBatch } from '../../../../src/wire/kafka/recordBatch.ts';
import { buildBatch, buildMarker } from '../../../../src/wire/kafka/records.ts';

const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const directory = '/var/lib/streambus/raft-state/journal';

/** A machine that appends to a journal as a broker does, and all that its disk's medium was seen to get. */
async function journalWorld(append: (host: Host) => Promise<void>): Promise<{ seen: JournalRecord[]; lost: string[] }> {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const disk = machine.devices.addDevice('sdb');
  machine.devices.mount('/var/lib/streambus', disk);
  const seen: JournalRecord[] = [];
  const lost: string[] = [];
  watchMedia(disk, {
    durable: (records) => void seen.push(...records),
    removed: () => undefined,
    lost: (why) => void lost.push(why),
  });
  machine.start('broker', append);
  await world.run({ toMs: 2_000 });
  machine.wipe();
  return { seen, lost };
}

async function openAt(host: Host) {
  await makeDirectoryDurably(host.disk, '/var/lib/streambus/raft-state');
  const { journal } = await openJournal(host, {
    directory,
    name: 'streambus',
    metricsPrefix: 'streambus_',
    segmentBytes: 256 * 1024,
    maxWaitMs: 0,
  });
  return journal;
}

const entry = (index: number) => ({ index, term: 7, type: 'normal' as const, data: new Uint8Array(index * 100) });

describe('what is read of the journal', () => {
  test('should be what the broker wrote, once it is durable', async () => {
    const { seen, lost } = await journalWorld(async (host) => {
      const journal = await openAt(host);
      const ticket = journal.append([
        ...entriesRecords(1_024, [entry(5), entry(6)], 4),
        hardStateRecord(3, { term: 9, vote: 65_537, commit: 4 }),
        checkpointRecord(1_025, {
          generation: 1,
          metadata: { index: 40, term: 2, confState },
          replacesLog: true,
          probation: false,
          data: undefined,
        }),
        removedRecord(1_026, { generation: 1, metaIndex: 12, term: 3, vote: 0 }),
      ]);
      await ticket.durable();
    });
    expect(seen).toEqual([
      {
        kind: 'entries',
        group: 1_024,
        entries: [
          { index: 5, term: 7 },
          { index: 6, term: 7 },
        ],
      },
      { kind: 'hard-state', group: 3, term: 9, vote: 65_537 },
      { kind: 'checkpoint', group: 1_025, index: 40, replacesLog: true },
      { kind: 'removed', group: 1_026 },
    ]);
    expect(lost).toEqual(['wiped']);
  });

  test('should be nothing before the device says that it has it', async () => {
    const { seen } = await journalWorld(async (host) => {
      const journal = await openAt(host);
      const ticket = journal.append(entriesRecords(1_024, [entry(5)], 4));
      await Promise.race([ticket.durable(), host.clock.sleep(0)]);
      await new Promise(() => {});
    });
    // Nobody waited for the answer, but it came: the medium is looked at, not the process.
    expect(seen).toHaveLength(1);
  });
});

describe('what a machine keeps of a process that has not said yet who it is', () => {
  test('should be all but what lay in a file that was removed', async () => {
    const world = new World({ seed: 1 });
    const stored: number[] = [];
    let opensAs: ((member: number) => void) | undefined;
    // Nothing else of it is used.
    const feed = {
      stored: (_member: number, records: readonly JournalRecord[]) => void stored.push(...records.map((r) => r.group)),
      observer: (opened: (member: number) => void) => {
        opensAs = opened;
        return {};
      },
    } as unknown as GroupFeed;
    const devices = streamBusDevicesSchema.parse({});
    const record = new NodeRecord({ world, node: 'a', devices, document: {}, feed, groupOf: () => undefined });
    world.machines.get('a')?.start('broker', async (host) => {
      record.decorate(host);
      const journal = await openAt(host);
      await journal.append(entriesRecords(1_024, [entry(5)], 4)).durable();
      await journal.roll();
      await journal.append(entriesRecords(1_025, [entry(5)], 4)).durable();
      await host.disk.remove(`${directory}/segment-00000001.wal`);
      opensAs?.(65_537);
    });
    await world.run({ toMs: 2_000 });
    expect(stored).toEqual([1_025]);
  });
});

describe('what a consumer of committed records makes of a fetch', () => {
  const text = new TextEncoder();
  const batch = (base: number, values: string[], producerId = -1) => {
    const bytes = buildBatch(
      values.map((value) => ({ timestamp: 1, value: text.encode(value) })),
      producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true },
    );
    stampBatch(bytes, base, 1);
    return bytes;
  };
  const marker = (base: number, producerId: number, commit: boolean) => {
    const bytes = buildMarker({ producerId, producerEpoch: 0, commit, coordinatorEpoch: 1 }, 1);
    stampBatch(bytes, base, 1);
    return bytes;
  };
  const all = Buffer.concat([
    batch(0, ['a', 'b']),
    batch(2, ['x'], 7),
    batch(3, ['c'], 8),
    marker(4, 7, false),
    marker(5, 8, true),
    batch(6, ['d'], 7),
    marker(7, 7, true),
  ]);

  test('should leave out what was aborted, and markers, and go on behind the last batch', () => {
    const { records, next } = consume(all, 0, [{ producerId: 7, firstOffset: 2 }]);
    expect(records).toEqual([
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
      { offset: 3, value: 'c' },
      { offset: 6, value: 'd' },
    ]);
    expect(next).toBe(8);
  });
  test('should begin within a batch, and fetch one that is cut again', () => {
    expect(consume(all, 1, [{ producerId: 7, firstOffset: 2 }]).records[0]).toEqual({ offset: 1, value: 'b' });
    const cut = consume(all.subarray(0, all.length - 10), 0, []);
    expect(cut.next).toBe(7);
    expect(consume(null, 5, [])).toEqual({ records: [], next: 5 });
  });
});

test('assignments give each key to one member, in the form of Kafka’s consumer protocol', () => {
  const keys = ['t0/0', 't0/1', 't1/0'];
  const given = encodeAssignment(['m2', 'm1'], keys);
  expect(given.map(({ memberId }) => memberId)).toEqual(['m1', 'm2']);
  expect(given.map(({ assignment }) => decodeAssignment(assignment))).toEqual([['t0/0', 't1/0'], ['t0/1']]);
  expect(decodeAssignment(new Uint8Array())).toEqual([]);
});
