import { describe, expect, test } from 'vitest';
import { openStemeNode } from '../../../src/engines/stemedb/store.ts';
import type { Host } from '../../../src/host/host.ts';
import { makeBench, smallConfig } from './support/world.ts';

const WAL = '/var/lib/stemedb/wal';

/** What a start is refused with; throws when it is not. */
async function startRefusal(host: Host, config = smallConfig()): Promise<unknown> {
  return openStemeNode(host, config).then(
    () => {
      throw new Error('expected the start to be refused');
    },
    (error: unknown) => error,
  );
}

describe('a start is refused', () => {
  test('with 65 where there is nothing and nothing may be made; nothing is made', async () => {
    const bench = makeBench();
    const refusal = await bench.run((host) => startRefusal(host, smallConfig({ store: { create: 'never' } })));
    expect(refusal).toMatchObject({ code: 'JournalMissing', exitCode: 65 });
    expect(await bench.run((host) => host.disk.stat(WAL).catch((error: { code: string }) => error.code))).toBe(
      'ENOENT',
    );
  });

  test.each(['segment-00000001.wal', 'segment-00000002.wal'])(
    'with 65 and the LSNs when %s is gone, also if the index on disk knows its records',
    async (name) => {
      const bench = makeBench();
      await bench.run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        for (let n = 1; n <= 3; n++) {
          await db.assert({
            subject: `s${n}`,
            predicate: 'p',
            object: { number: n },
            stage: 'approved',
            confidence: 1,
            timestamp: n,
          });
          await db.journal.roll();
        }
        await db.checkpoint();
        await db.close();
        await host.disk.remove(`${WAL}/${name}`);
      });
      expect(await bench.run(startRefusal)).toMatchObject({ code: 'WalCorruption', exitCode: 65 });
    },
  );
});
