import { describe, expect, test } from 'vitest';
import { prepareAssertion } from '../../../src/engines/stemedb/content.ts';
import { StemeError } from '../../../src/engines/stemedb/errors.ts';
import type { IndexRow } from '../../../src/engines/stemedb/index/dump.ts';
import { openStemeDb } from '../../../src/engines/stemedb/index.ts';
import type { AssertionInput } from '../../../src/engines/stemedb/model.ts';
import type { StemeNode } from '../../../src/engines/stemedb/stemeNode.ts';
import { openStemeNode } from '../../../src/engines/stemedb/store.ts';
import type { Host } from '../../../src/host/host.ts';
import { type Bench, errorOf, makeBench, smallConfig, startNode } from './support/world.ts';

const INDEX = '/var/lib/stemedb/db/index';
const SEGMENTS = '/var/lib/stemedb/wal/segment-*';

function claim(n: number, more: Partial<AssertionInput> = {}): AssertionInput {
  return {
    subject: `s${n % 7}`,
    predicate: 'p',
    object: { number: n },
    stage: 'approved',
    confidence: 0.5,
    timestamp: 1_000 + n,
    ...more,
  };
}

function device(bench: Bench) {
  return bench.machine.devices.device('root');
}

async function refusal(promise: Promise<unknown>): Promise<StemeError> {
  const error = await promise.then(
    () => new Error('expected a refusal'),
    (reason: unknown) => reason,
  );
  if (error instanceof StemeError) return error;
  throw error;
}

async function fill(db: StemeNode, from: number, to: number): Promise<void> {
  await db.assertBatch(Array.from({ length: to - from + 1 }, (_, i) => claim(from + i)));
}

describe('a restart', () => {
  test.each(['killed', 'closed'] as const)(
    'finds every acknowledged record under its LSN, the process was %s',
    async (end) => {
      const bench = makeBench();
      const before = await bench.run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        await fill(db, 1, 20);
        await db.vote({
          assertion: prepareAssertion(claim(3)).id,
          agent: 'a1'.repeat(32),
          value: 'dispute',
          timestamp: 1,
        });
        const dump = [...db.dump()];
        if (end === 'closed') await db.close();
        return dump;
      });
      const after = await bench.run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        expect(await db.get(prepareAssertion(claim(5)).id)).toMatchObject({
          lsn: 5,
          content: { object: { number: 5 } },
        });
        expect(await db.assert(claim(5))).toMatchObject({ lsn: 5, status: 'exists' });
        return [...db.dump()];
      });
      expect(after).toEqual(before);
      expect(after).toHaveLength(21);
    },
  );

  /** Writes with snapshots in between, damages a file of the index as told, and opens again. */
  async function afterDamage(damage: (host: Host, files: readonly string[]) => Promise<void>) {
    const bench = makeBench();
    const before = await bench.run(async (host): Promise<IndexRow[]> => {
      const db = await openStemeNode(host, smallConfig());
      for (const from of [1, 11, 21]) {
        await fill(db, from, from + 9);
        expect(await db.checkpoint()).toBe(from + 9);
      }
      await fill(db, 31, 35);
      const dump = [...db.dump()];
      await db.close();
      const files = (await host.disk.list(INDEX)).map(({ name }) => name).filter((name) => name.startsWith('part-'));
      expect(files).toHaveLength(3);
      await damage(host, files);
      return dump;
    });
    const { dump, metrics } = await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig());
      // What a bad part costs is written again by the next snapshot.
      await db.checkpoint();
      return { dump: [...db.dump()], metrics: await host.telemetry.registry.metrics() };
    });
    expect(dump).toEqual(before);
    const again = await bench.run(async (host) => [...(await openStemeNode(host, smallConfig())).dump()]);
    expect(again).toEqual(before);
    return { metrics, probes: bench.world.probes.sometimesReached };
  }

  test('loads the parts of the index and folds the rest', async () => {
    const { metrics } = await afterDamage(async () => undefined);
    expect(metrics).toContain('stemedb_corruptions_total{where="index"} 0');
  });

  test.each([0, 1, 2])('folds part %d again from the log when a byte of it is wrong', async (which) => {
    const { metrics, probes } = await afterDamage(async (host, files) => {
      const file = await host.disk.open(`${INDEX}/${files[which]}`, { mode: 'write' });
      await file.write(200, [Uint8Array.of(1, 2, 3)], { durable: true });
      await file.close();
    });
    expect(metrics).toContain('stemedb_corruptions_total{where="index"} 1');
    expect(probes).toContainEqual({ name: 'part re-folded', reached: true });
  });

  test('folds everything again when the manifest is unreadable', async () => {
    const { metrics } = await afterDamage(async (host) => {
      const file = await host.disk.open(`${INDEX}/MANIFEST`, { mode: 'write' });
      await file.write(0, [Buffer.from('x')], { durable: true });
      await file.close();
    });
    expect(metrics).toContain('stemedb_corruptions_total{where="index"} 1');
  });

  test('refuses a log that is not the one of the index, with both ids', async () => {
    const bench = makeBench();
    const [ours, theirs] = await bench.run(async (host) => {
      const ids: string[] = [];
      for (const dir of ['/a', '/b']) {
        const db = await openStemeNode(host, smallConfig({ wal: { dir: `${dir}/wal` }, store: { dir: `${dir}/db` } }));
        host.telemetry.registry.clear();
        await fill(db, 1, 3);
        await db.checkpoint();
        await db.close();
        ids.push(db.journal.id);
      }
      return ids;
    });
    await bench.run(async (host) => {
      const mixed = smallConfig({ wal: { dir: '/a/wal', witness_dir: '/a/db/witness' }, store: { dir: '/b/db' } });
      const error = await openStemeDb(host, mixed).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'JournalFormat', exitCode: 65 });
      expect(String(error)).toContain(String(ours));
      expect(String(error)).toContain(String(theirs));
    });
  });

  test('refuses a bare directory in the place of the log with exit code 65, and makes nothing there', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig());
      await fill(db, 1, 3);
      await db.close();
      await host.disk.rename('/var/lib/stemedb/wal', '/var/lib/stemedb/elsewhere');
      await host.disk.makeDirectory('/var/lib/stemedb/wal');
    });
    await bench.run(async (host) => {
      await expect(openStemeDb(host, smallConfig())).rejects.toMatchObject({ exitCode: 65 });
      expect(await host.disk.list('/var/lib/stemedb/wal')).toEqual([]);
    });
  });

  test('refuses a directory in use with exit code 73', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig());
      host.telemetry.registry.clear();
      await expect(openStemeDb(host, smallConfig())).rejects.toMatchObject({ code: 'JournalLocked', exitCode: 73 });
      await db.close();
    });
  });
});

describe('snapshots', () => {
  test('are made by themselves, eight parts become one, a pause stops them', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig({ index: { snapshot_bytes: 65_536 } }));
      const parts = async () => (await host.disk.list(INDEX)).filter(({ name }) => name.startsWith('part-')).length;
      const big = (n: number) => claim(n, { object: { text: `${n}`.padEnd(40_000, 'x') } });
      const seen: number[] = [];
      for (let n = 0; n < 18; n += 2) {
        await db.assertBatch([big(n), big(n + 1)]);
        await host.clock.sleep(2_000);
        seen.push(await parts());
      }
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 1, 2]);
      db.pause({ paused: true });
      await db.assertBatch([big(20), big(21)]);
      await host.clock.sleep(2_000);
      expect(await parts()).toBe(2);
      db.pause({ paused: false });
      await host.clock.sleep(2_000);
      expect(await parts()).toBe(3);
    });
  });
});

describe('trouble', () => {
  test('a sync that fails: this write is indeterminate, later ones are refused, reads go on, the node is not ready', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const node = await startNode(host);
      await node.request('POST /v1/assert', { json: claim(1) });
      device(bench).rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: SEGMENTS });
      const failed = await node.request('POST /v1/assert', { json: claim(2) });
      expect([failed.status, errorOf(failed).code, errorOf(failed).outcome]).toEqual([
        500,
        'WRITE_INDETERMINATE',
        'indeterminate',
      ]);
      const after = await node.request('POST /v1/assert', { json: claim(3) });
      expect([after.status, errorOf(after).code, errorOf(after).outcome]).toEqual([503, 'WAL_FAILED', 'not_applied']);
      expect((await node.request('GET /v1/query?subject=s1')).status).toBe(200);
      expect((await node.request('GET /health/ready')).status).toBe(503);
      expect((await node.request('GET /health')).body).toMatchObject({ status: 'degraded', wal: 'failed' });
      expect(node.engine.db.node().pending).toBe(0);
    });
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig());
      expect([...db.dump()].map(({ lsn }) => lsn).slice(0, 1)).toEqual([1]);
      expect(await db.assert(claim(2))).toMatchObject({ lsn: 2 });
    });
  });

  test('with on_sync_failure = "exit" the engine stops with exit code 74', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const node = await startNode(host, smallConfig({ wal: { on_sync_failure: 'exit' } }));
      device(bench).rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: SEGMENTS });
      await node.request('POST /v1/assert', { json: claim(1) });
      await expect(node.engine.stopped).rejects.toMatchObject({ exitCode: 74 });
    });
  });

  test('a full disk: 507 with its reason, reads go on, and writing resumes by itself', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const node = await startNode(host);
      await node.request('POST /v1/assert', { json: claim(1) });
      const empty = device(bench).fill({ freeBytes: 0 });
      await host.clock.sleep(3_000);
      const refused = await node.request('POST /v1/assert', { json: claim(2) });
      expect(refused.status).toBe(507);
      expect(errorOf(refused)).toMatchObject({ code: 'READ_ONLY', reason: 'no_space', outcome: 'not_applied' });
      expect((await node.request('GET /v1/query?subject=s1')).body).toMatchObject({ matched: 1 });
      empty();
      await host.clock.sleep(2_000);
      expect((await node.request('POST /v1/assert', { json: claim(2) })).status).toBe(201);
    });
  });

  test('a log at wal.max_bytes: 507 wal_full', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig({ wal: { max_bytes: 3 * 2 ** 20 } }));
      let error: StemeError | undefined;
      for (let n = 0; n < 100 && error === undefined; n++) {
        const write = db.assert(claim(n, { object: { text: `${n}`.padEnd(60_000, 'x') } }));
        error = await write.then(
          () => undefined,
          (reason: StemeError) => reason,
        );
      }
      expect(error).toMatchObject({ code: 'READ_ONLY', status: 507, fields: { reason: 'wal_full' } });
    });
  });

  test('a full index: 507 index_full, reads go on', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig({ index: { max_bytes: 2 ** 20 } }));
      let written = 0;
      let error: StemeError | undefined;
      while (error === undefined && written < 100_000) {
        const batch = Array.from({ length: 500 }, (_, i) => claim(written + i));
        const { results } = await db.assertBatch(batch).catch((reason: StemeError) => {
          error = reason;
          return { results: [] };
        });
        written += results.length;
      }
      expect(error).toMatchObject({ code: 'READ_ONLY', status: 507, fields: { reason: 'index_full' } });
      expect(await db.query({ subject: 's1', limit: 1 })).toMatchObject({ winner: { assertion: { subject: 's1' } } });
    });
  });

  test('a stalled disk: 504 after the time-out, the write goes on, and sending again is safe', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const node = await startNode(host, smallConfig({ server: { request_timeout_ms: 200 } }));
      await node.request('POST /v1/assert', { json: claim(1) });
      const lift = device(bench).queue.disturb({ kind: 'stall' });
      const since = host.clock.now();
      const late = await node.request('POST /v1/assert', { json: claim(2) });
      expect([late.status, errorOf(late).code, errorOf(late).outcome]).toEqual([504, 'WRITE_TIMEOUT', 'indeterminate']);
      expect(host.clock.now() - since).toBeLessThan(250);
      // A write that hangs counts by its age: a hung disk does not look healthy.
      await host.clock.sleep(5_000);
      const text = String((await node.request('GET /metrics')).body);
      expect(Number(/stemedb_write_duration_seconds\{quantile="0.99"\} (\S+)/.exec(text)?.[1])).toBeGreaterThan(5);
      lift();
      await host.clock.sleep(1_000);
      expect(await node.request('POST /v1/assert', { json: claim(2) })).toMatchObject({
        status: 200,
        body: { lsn: 2, status: 'exists' },
      });
    });
  });

  test('more waiting than may: 503 OVERLOADED with Retry-After, and what waited is acknowledged later', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig({ wal: { max_pending_bytes: 2 ** 20 } }));
      const lift = device(bench).queue.disturb({ kind: 'stall' });
      const waiting: Promise<unknown>[] = [];
      const big = (n: number) => claim(n, { object: { text: `${n}`.padEnd(60_000, 'x') } });
      for (let n = 0; n < 10; n++) waiting.push(db.assert(big(n)));
      const error = await refusal(Promise.all(Array.from({ length: 20 }, (_, i) => db.assert(big(100 + i)))));
      expect([error.code, error.status, error.outcome]).toEqual(['OVERLOADED', 503, 'not_applied']);
      expect(error.retryAfterMs).toBeGreaterThan(0);
      lift();
      expect(await Promise.all(waiting)).toHaveLength(10);
    });
  });

  test('a record that cannot be read: 500 RECORD_DAMAGED with LSN and segment; others are unaffected', async () => {
    const bench = makeBench();
    const db = smallConfig({ store: { cache_bytes: 0 } });
    await bench.run(async (host) => {
      const node = await startNode(host, db);
      for (const n of [1, 2]) await node.request('POST /v1/assert', { json: claim(n) });
      const { baseLsn } = node.engine.db.journal.segments()[0] ?? {};
      expect(baseLsn).toBe(1);
      device(bench).rules.add({
        kind: 'io-error',
        operation: 'read',
        share: 1,
        transient: false,
        path: SEGMENTS,
        range: { from: 4096, to: 8192 },
      });
      device(bench).evict();
      const damaged = await node.request(`GET /v1/assertions/${prepareAssertion(claim(1)).id}`);
      expect(damaged.status).toBe(500);
      expect(errorOf(damaged)).toMatchObject({ code: 'RECORD_DAMAGED', lsn: 1, segment: 'segment-00000001.wal' });
      expect((await node.request(`GET /v1/assertions/${prepareAssertion(claim(2)).id}`)).status).toBe(200);
    });
  });

  test('disk errors are counted by operation and code, and logged once a second', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const db = await openStemeNode(host, smallConfig({ store: { cache_bytes: 0 } }));
      await fill(db, 1, 2);
      device(bench).rules.add({ kind: 'io-error', operation: 'read', share: 1, transient: true, path: SEGMENTS });
      device(bench).evict();
      expect((await refusal(db.get(prepareAssertion(claim(1)).id))).code).toBe('RECORD_DAMAGED');
      const text = await host.telemetry.registry.metrics();
      expect(
        Number(/stemedb_storage_operation_errors_total\{operation="read",code="EIO"\} (\d+)/.exec(text)?.[1]),
      ).toBeGreaterThan(0);
      expect(Number(/stemedb_disk_errors_total\{code="EIO"\} (\d+)/.exec(text)?.[1])).toBeGreaterThan(0);
    });
  });
});

describe('planted bugs', () => {
  test('ack-before-fold: a query after the ack does not see the record', async () => {
    for (const [mutants, expected] of [
      [[], 1],
      [['ack-before-fold'], 0],
    ] as const) {
      await makeBench({ mutants }).run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        await db.assert(claim(1));
        expect(await db.query({ subject: 's1' })).toMatchObject({ matched: expected });
      });
    }
  });

  test('duplicate-while-pending: equal content gets two LSNs', async () => {
    for (const [mutants, expected] of [
      [[], [1, 1]],
      [['duplicate-while-pending'], [1, 2]],
    ] as const) {
      await makeBench({ mutants }).run(async (host) => {
        const db = await openStemeNode(host, smallConfig());
        const acks = await Promise.all([db.assert(claim(1)), db.assert(claim(1))]);
        expect(acks.map(({ lsn }) => lsn)).toEqual(expected);
      });
    }
  });

  test('limit-by-request: a batch counts as one', async () => {
    for (const [mutants, expected] of [
      [[], 5],
      [['limit-by-request'], 20],
    ] as const) {
      await makeBench({ mutants }).run(async (host) => {
        const db = await openStemeNode(host, smallConfig({ rate_limit: { max_writes_per_sec: 5 } }));
        expect(await db.assertBatch(Array.from({ length: 20 }, (_, n) => claim(n)))).toMatchObject({
          created: expected,
        });
      });
    }
  });
});

test('a reload takes over what can change while running, and names the rest', async () => {
  const bench = makeBench();
  await bench.run(async (host) => {
    const node = await startNode(host);
    const next = smallConfig({
      wal: { group_commit_max_wait_ms: 3, slow_fsync_ms: 7, strict_tail: true },
      rate_limit: { max_writes_per_sec: 9 },
    });
    expect(node.engine.reload(next)).toEqual({
      applied: ['rate_limit.max_writes_per_sec', 'wal.group_commit_max_wait_ms', 'wal.slow_fsync_ms'],
      needRestart: ['wal.strict_tail'],
    });
    expect(node.engine.db.rateLimit().maxWritesPerSec).toBe(9);
    expect(node.engine.db.wal().maxWaitMs).toBe(3);
    expect(() => node.engine.reload({ wal: { nonsense: 1 } })).toThrow();
  });
});

test('drain by signal closes the log, and the engine has stopped', async () => {
  const bench = makeBench();
  await bench.run(async (host) => {
    const node = await startNode(host);
    await node.request('POST /v1/assert', { json: claim(1) });
    expect(await node.engine.drain()).toEqual({ unfinished: [] });
    await node.engine.stopped;
    expect(node.engine.db.journal.state).toBe('closed');
  });
  await bench.run(async (host) => {
    const db = await openStemeNode(host, smallConfig());
    expect(db.recovery.verdict).toBe('clean');
    expect([...db.dump()]).toHaveLength(1);
  });
});
