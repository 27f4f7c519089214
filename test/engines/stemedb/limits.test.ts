import { describe, expect, test } from 'vitest';
import { stemeConfigSchema } from '../../../src/engines/stemedb/config.ts';
import type { AssertionInput } from '../../../src/engines/stemedb/model.ts';
import { makeBench, smallConfig, startNode } from './support/world.ts';

function claim(n: number, bytes: number): AssertionInput {
  return {
    subject: `s${n}`,
    predicate: 'p',
    object: { text: 'x'.repeat(bytes) },
    stage: 'approved',
    confidence: 0.5,
    timestamp: n,
  };
}

describe('limits', () => {
  test('a batch of any length within the limits is stored, whatever one append of the log may hold', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      // One append holds a quarter of a segment: 256 KiB. Records of 270 bytes take 20 more in the log.
      const { engine } = await startNode(host, smallConfig({ wal: { max_record_bytes: 2 ** 16 } }));
      const { created, rejected } = await engine.db.assertBatch(Array.from({ length: 1_500 }, (_, i) => claim(i, 150)));
      expect({ created, rejected }).toEqual({ created: 1_500, rejected: 0 });
      await engine.close();
    });
  });

  test('a batch larger than half the queue is stored too', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const wal = { segment_bytes: 2 ** 23, max_pending_bytes: 2 ** 20, max_record_bytes: 2 ** 16 };
      const { engine } = await startNode(host, smallConfig({ wal }));
      const { created } = await engine.db.assertBatch(Array.from({ length: 20 }, (_, i) => claim(i, 40_000)));
      expect(created).toBe(20);
      await engine.close();
    });
  });

  test('a queue that could never take the largest record is refused', () => {
    const parsed = stemeConfigSchema.safeParse({ wal: { max_pending_bytes: 2 ** 20 } });
    expect(parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([
      expect.stringMatching(
        /^wal\.max_pending_bytes: expected at least 2 × wal\.max_record_bytes = 2097152, got 1048576/,
      ),
    ]);
  });

  test('a rate that lets only a part of a batch through is counted', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const { engine, request } = await startNode(host, smallConfig({ rate_limit: { max_writes_per_sec: 5 } }));
      const assertions = Array.from({ length: 8 }, (_, i) => claim(i, 10));
      const answer = await request('POST /v1/assert/batch', { json: { assertions } });
      expect(answer).toMatchObject({ status: 200, body: { created: 5, rejected: 3 } });
      const metrics = await host.telemetry.registry.metrics();
      expect(metrics).toContain('stemedb_rate_limited_total{endpoint="batch"} 1');
      expect(metrics).toContain('stemedb_write_rejections_total{code="RATE_LIMITED"} 3');
      await engine.close();
    });
  });

  test('an atomic batch larger than the rate of a second is too large, not asked to come again for ever', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const { engine, request } = await startNode(host, smallConfig({ rate_limit: { max_writes_per_sec: 5 } }));
      const batch = (length: number) => ({ atomic: true, assertions: Array.from({ length }, (_, i) => claim(i, 10)) });
      const answer = await request('POST /v1/assert/batch', { json: batch(6) });
      expect(answer).toMatchObject({ status: 413, body: { error: { code: 'TOO_LARGE', outcome: 'not_applied' } } });
      expect(await request('POST /v1/assert/batch', { json: batch(5) })).toMatchObject({ body: { created: 5 } });
      await engine.close();
    });
  });

  test('a drain ends though the disk hangs, and says that the log was not closed', async () => {
    const bench = makeBench();
    const took = await bench.run(async (host) => {
      const { engine } = await startNode(host, smallConfig({ drain: { timeout_ms: 1_000 } }));
      await engine.db.assert(claim(1, 10));
      bench.machine.devices.device('root').queue.disturb({ kind: 'stall' });
      const began = host.clock.now();
      const { unfinished } = await engine.drain();
      expect(unfinished).toEqual(['seal', 'snapshot', 'close']);
      return host.clock.now() - began;
    });
    expect(took).toBeLessThan(7_000);
  });

  test('a foreign file that appears in the directory of the log is warned of, once', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const { engine } = await startNode(host, smallConfig());
      const file = await host.disk.open('/var/lib/stemedb/wal/test.dat', { mode: 'create' });
      await file.close();
      await host.clock.sleep(100_000);
      await engine.close();
    });
    const warnings = bench.world.logs.lines.filter((line) => line.message === 'foreign files in the journal');
    expect(warnings.map(({ fields }) => fields.names)).toEqual([['test.dat']]);
  });
});
