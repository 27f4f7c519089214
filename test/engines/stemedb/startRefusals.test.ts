import { describe, expect, test } from 'vitest';
import { openStemeNode } from '../../../src/engines/stemedb/store.ts';
import type { Host } from '../../../src/host/host.ts';
import { claim, makeBench, smallConfig } from './support/world.ts';

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

/** As for one more start in the same process: each registers its metrics. */
function anew(host: Host): Host {
  host.telemetry.registry.clear();
  return host;
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

  test('with 65 and both ids when the index is of another log: it proves nothing of this one', async () => {
    const bench = makeBench();
    const at = (name: string) =>
      smallConfig({ wal: { dir: `/data/${name}/wal`, witness_dir: `/data/${name}/witness` } });
    const ids = await bench.run(async (host) => {
      const found: string[] = [];
      for (const [name, records] of [
        ['large', 5],
        ['small', 3],
      ] as const) {
        const db = await openStemeNode(anew(host), {
          ...at(name),
          store: { ...at(name).store, dir: `/data/${name}/db` },
        });
        for (let n = 1; n <= records; n++) await db.assert(claim(n));
        await db.checkpoint();
        found.push(db.journal.id);
        await db.close();
      }
      return found;
    });
    const refusal = await bench.run((host) =>
      startRefusal(host, { ...at('small'), store: { ...at('small').store, dir: '/data/large/db' } }),
    );
    expect(refusal).toMatchObject({ code: 'JournalFormat', exitCode: 65 });
    for (const id of ids) expect(String(refusal)).toContain(id);
    expect(String(refusal)).toContain('/data/large/db/index/MANIFEST');
  });

  test('with 73 and the process when another has the store directory, for the first time or again', async () => {
    const bench = makeBench();
    const other = smallConfig({ wal: { dir: '/data/other/wal', witness_dir: '/data/other/witness' } });
    for (const round of ['first', 'again']) {
      const pid = await bench.run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        const refusal = await startRefusal(anew(host), other);
        expect(refusal, round).toMatchObject({ code: 'JournalLocked', exitCode: 73 });
        expect(String(refusal)).toMatch(new RegExp(`/var/lib/stemedb/db is in use by process ${host.pid};`));
        await db.close();
        return host.pid;
      });
      expect(pid).toBeGreaterThan(0);
    }
    // Whoever closes gives it free.
    await bench.run(async (host) => {
      await (await openStemeNode(anew(host), smallConfig())).close();
      await (await openStemeNode(anew(host), smallConfig())).close();
    });
  });
});
