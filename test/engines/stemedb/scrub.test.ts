import { expect, test } from 'vitest';
import type { Host } from '../../../src/host/host.ts';
import { claim, type Node, onNode } from './support/world.ts';

/** Stores claims over three segments; gives the paths of the two that are sealed. */
async function threeSegments(node: Node): Promise<string[]> {
  const { journal, config } = node.engine.db;
  for (let n = 1; n <= 30; n++) {
    await node.request('POST /v1/assert', { json: claim(n) });
    if (n % 10 === 0 && n < 30) await journal.roll();
  }
  return journal.segments().flatMap(({ file, sealed }) => (sealed ? [`${config.wal.dir}/${file}`] : []));
}

/** Begins a scrub and waits for its end. */
async function scrub(node: Node, host: Host) {
  const { status, body } = await node.request('POST /v1/admin/scrub');
  expect(status).toBe(202);
  await host.clock.sleep(5_000);
  const { job } = body as { job: string };
  return (await node.request(`GET /v1/admin/jobs/${job}`)).body;
}

test('a scrub reads what is sealed, and finds a byte that turned on the disk', () =>
  onNode(async (node, host) => {
    const [first = '', second = ''] = await threeSegments(node);
    expect(await scrub(node, host)).toMatchObject({ state: 'done', result: { segments: 2, records: 20, damaged: [] } });

    const file = await host.disk.open(second, { mode: 'write' });
    const byte = new Uint8Array(1);
    await file.read(4096 + 80, byte);
    await file.write(4096 + 80, [byte.map((x) => x ^ 1)], { durable: true });
    await file.close();

    expect(await scrub(node, host)).toMatchObject({
      state: 'done',
      result: { segments: 2, damaged: [{ file: second.slice(second.lastIndexOf('/') + 1), offset: 4096, lsn: 11 }] },
    });
    const metrics = String((await node.request('GET /metrics')).body);
    expect(metrics).toContain('stemedb_corruptions_total{where="segment"} 1');
    expect(metrics).toMatch(/stemedb_background_bytes_total\{task="scrub"\} [1-9]/);
    expect((await node.request('GET /health')).body).toMatchObject({
      status: 'degraded',
      reasons: [expect.stringMatching(/^segment-00000002\.wal is damaged at offset 4096, from record 11: /)],
    });
    expect((await node.request('GET /health/ready')).status).toBe(200);
    // What is not damaged is served as before.
    expect((await node.request('GET /v1/query?subject=s')).status).toBe(200);
    expect(first).not.toBe(second);

    const again = await host.disk.open(second, { mode: 'write' });
    await again.write(4096 + 80, [byte], { durable: true });
    await again.close();
    await node.request('POST /v1/admin/scrub');
    await host.clock.sleep(5_000);
    expect((await node.request('GET /health')).body).toMatchObject({ status: 'ok', reasons: [] });
  }));

test('a paused scrub waits, and goes on when it is resumed', () =>
  onNode(async (node, host) => {
    await threeSegments(node);
    await node.request('POST /v1/admin/background', { json: { paused: true, only: ['scrub'] } });
    expect(await scrub(node, host)).toMatchObject({ state: 'running' });
    await node.request('POST /v1/admin/background', { json: { paused: false } });
    await host.clock.sleep(5_000);
    expect((await node.request('GET /v1/admin/jobs/scrub-1')).body).toMatchObject({
      state: 'done',
      result: { segments: 2 },
    });
  }));
