import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../src/host/disk.ts';
import { createRealDisk } from '../../../src/real/disk.ts';
import { createRealHost } from '../../../src/real/host.ts';
import { createUringDisk } from '../../../src/real/uring/disk.ts';
import { openJournal } from '../../../src/storage/journal/index.ts';
import { payloadOf, readAll } from '../../support/journalWorld.ts';

const ring = createUringDisk();
const disks: readonly { readonly name: string; readonly disk: Disk | undefined }[] = [
  { name: 'node:fs', disk: createRealDisk() },
  { name: 'io_uring', disk: 'reason' in ring ? undefined : ring },
];

describe.for(disks)('the journal on a real disk: $name', ({ disk }) => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hotfire-wal-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  function open() {
    if (disk === undefined) throw new Error('no disk');
    const host = createRealHost({ name: 'here', disk, telemetry: { options: { level: 'error' } } });
    const options = { name: 'wal', metricsPrefix: 'test_', segmentBytes: 256 * 1024 };
    return openJournal(host, { directory: join(directory, 'wal'), ...options });
  }

  it.skipIf(disk === undefined)(
    'should keep what it has called durable over segments and lives (io_uring)',
    async () => {
      const written: number[] = [];
      for (let life = 0; life < 3; life++) {
        const { journal } = await open();
        expect((await readAll(journal)).map(({ lsn }) => lsn)).toEqual(written);
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let n = 0; n < 40; n++) {
              const ticket = journal.append([{ type: 1, payload: new Uint8Array(1500).fill(n) }]);
              await ticket.durable();
            }
          }),
        );
        const bulk = journal.append(Array.from({ length: 100 }, (_, n) => ({ type: 2, payload: payloadOf(n) })));
        await bulk.durable();
        for (let lsn = written.length + 1; lsn <= bulk.last; lsn++) written.push(lsn);
        expect(journal.segments().length).toBeGreaterThan(1 + life);
        await journal.close();
      }
      const { journal } = await open();
      const records = await readAll(journal);
      expect(records.map(({ lsn }) => lsn)).toEqual(written);
      expect(records.at(-1)?.payload).toEqual(payloadOf(99));
      await journal.close();
    },
  );
});
