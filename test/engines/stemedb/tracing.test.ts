import { describe, expect, it } from 'vitest';
import type { Host } from '../../../src/host/host.ts';
import type { SimSpanData } from '../../../src/sim/tracer.ts';
import { claim, makeBench, type Node, smallConfig, startNode } from './support/world.ts';

/** Runs a test's body against a fresh store whose spans are kept; those of its start are not among them. */
async function traced(
  body: (node: Node, spans: SimSpanData[], host: Host) => Promise<void>,
  config = smallConfig(),
): Promise<SimSpanData[]> {
  const bench = makeBench();
  const spans: SimSpanData[] = [];
  await bench.run(async (host) => {
    const node = await startNode(host, config);
    bench.world.spanSink = (span) => void spans.push(span);
    await body(node, spans, host);
    bench.world.spanSink = undefined;
    await node.engine.close();
  });
  return spans;
}

/** The tree of spans under one, by names. */
function treeOf(spans: readonly SimSpanData[], root: SimSpanData | undefined): unknown {
  const children = spans.filter(({ parentId }) => parentId !== undefined && parentId === root?.id);
  return children.length === 0 ? root?.name : { [root?.name ?? '']: children.map((child) => treeOf(spans, child)) };
}

function named(spans: readonly SimSpanData[], name: string): SimSpanData[] {
  return spans.filter((span) => span.name === name);
}

describe('the spans of a request', () => {
  it('should lead from the request over its wait to the commit and the durable write, and end with their times', async () => {
    const spans = await traced(async (node) => {
      await node.request('POST /v1/assert', { json: claim(1) });
    });
    const [request, wait, commit, write] = spans;
    expect(treeOf(spans, request)).toEqual({
      'POST /v1/assert': ['journal.queue', { 'journal.commit': ['journal.write'] }],
    });
    expect(request?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/assert',
      'http.response.status_code': 201,
    });
    expect(commit?.attributes).toMatchObject({
      'journal.first_lsn': 1,
      'journal.last_lsn': 1,
      'journal.records': 1,
      'journal.appends': 1,
      'journal.segment': 1,
    });
    expect(write?.attributes['journal.bytes']).toBeGreaterThan(Number(commit?.attributes['journal.bytes']));
    expect(wait?.endMs).toBe(commit?.startMs);
    expect(write?.endMs).toBeGreaterThan(write?.startMs ?? 0);
    for (const { endMs = 0, startMs } of spans) {
      expect(startMs).toBeGreaterThanOrEqual(request?.startMs ?? 0);
      expect(endMs).toBeLessThanOrEqual(request?.endMs ?? 0);
    }
  });

  it('should have one commit for all that were written together, linked to those whose child it is not', async () => {
    const spans = await traced(async (node) => {
      await Promise.all([1, 2, 3].map((n) => node.request('POST /v1/assert', { json: claim(n) })));
    });
    const waits = named(spans, 'journal.queue');
    const [commit, ...others] = named(spans, 'journal.commit');
    expect(others).toEqual([]);
    expect(waits).toHaveLength(3);
    expect(commit?.attributes).toMatchObject({ 'journal.records': 3, 'journal.appends': 3 });
    expect(commit?.parentId).toBe(waits[0]?.parentId);
    expect(commit?.links).toEqual([waits[1]?.id, waits[2]?.id]);
    expect(new Set(waits.map(({ traceId }) => traceId)).size).toBe(3);
  });

  it('should continue the trace of a caller, and begin one of their own when what it says is malformed', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const spanId = '00f067aa0ba902b7';
    const spans = await traced(async (node) => {
      for (const traceparent of [`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}`]) {
        await node.request('GET /v1/query?subject=s&predicate=p', { headers: { traceparent } });
      }
    });
    expect(spans.map(({ parentId }) => parentId)).toEqual([spanId, undefined]);
    expect(spans[0]?.traceId).toBe(traceId);
    expect(spans[1]?.traceId).not.toBe(traceId);
  });

  it('should show what was answered, and be an error only when the server is at fault', async () => {
    const spans = await traced(async (node) => {
      await node.request('POST /v1/assert', { text: '{' });
      await node.request('DELETE /v1/admin/rate-limit');
      await node.request('POST /v1/admin/node/drain');
      await node.request('POST /v1/assert', { json: claim(1) });
    });
    const answers = spans.filter(({ name }) => / \/v1\//.test(name));
    expect(answers.map(({ attributes, status }) => [attributes['http.response.status_code'], status])).toEqual([
      [400, 'unset'],
      [200, 'unset'],
      [202, 'unset'],
      [503, 'error'],
    ]);
  });

  describe('of a batch whose lines are answered as they come', () => {
    const lines = { contentType: 'application/x-ndjson', pieces: [1, 2].map((n) => `${JSON.stringify(claim(n))}\n`) };
    const batch = 'POST /v1/assert/batch';

    it('should last until the last answer was taken, over all that was written', async () => {
      const spans = await traced(async (node) => {
        const response = await node.request(batch, lines);
        for await (const piece of response.body as AsyncIterable<string>) expect(piece).toContain('created'); // streamed
      });
      const [request] = named(spans, batch);
      const writes = named(spans, 'journal.write');
      expect(writes.length).toBeGreaterThan(0);
      for (const { endMs } of writes) expect(request?.endMs).toBeGreaterThanOrEqual(endMs ?? Number.POSITIVE_INFINITY);
      expect(request).toMatchObject({ status: 'unset', attributes: { 'http.response.status_code': 200 } });
    });

    it('should end when the client reads no further', async () => {
      const spans = await traced(async (node, kept) => {
        const response = await node.request(batch, lines);
        expect(named(kept, batch)[0]).not.toHaveProperty('endMs');
        for await (const _ of response.body as AsyncIterable<string>) break; // streamed
      });
      expect(named(spans, batch)[0]?.endMs).toBeDefined();
    });

    it('should say that the client’s lines broke off', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('');
        throw new Error('the client is gone');
      }
      const spans = await traced(async (node) => {
        const response = await node.request(batch, { ...lines, stream: broken() });
        await expect(Array.fromAsync(response.body as AsyncIterable<string>)).rejects.toThrow('gone'); // streamed
      });
      expect(named(spans, batch)[0]).toMatchObject({ status: 'error', message: 'the client is gone' });
    });
  });

  it('should not be there for health and metrics, which monitoring asks for all the time', async () => {
    const spans = await traced(async (node) => {
      for (const path of ['/metrics', '/health', '/health/live', '/health/ready']) await node.request(`GET ${path}`);
    });
    expect(spans).toEqual([]);
  });

  it('should say why a write failed, in the commit and in the write', async () => {
    const bench = makeBench();
    const spans: SimSpanData[] = [];
    await bench.run(async (host) => {
      const node = await startNode(host, smallConfig());
      bench.world.spanSink = (span) => void spans.push(span);
      for (const device of bench.machine.devices.devices.values()) {
        device.rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: '**/segment-*' });
      }
      const answer = await node.request('POST /v1/assert', { json: claim(1) });
      expect(answer.status).toBe(500);
    });
    for (const name of ['journal.commit', 'journal.write']) {
      const [span] = named(spans, name);
      expect(span, name).toMatchObject({ status: 'error', message: expect.stringContaining('EIO') });
    }
    expect(named(spans, 'POST /v1/assert')[0]).toMatchObject({ status: 'error' });
  });
});

describe('the spans of what goes on beside', () => {
  it('should show a start with its phases, and what was found', async () => {
    const bench = makeBench();
    await bench.run(async (host) => {
      const node = await startNode(host);
      await node.request('POST /v1/assert', { json: claim(1) });
    });
    const spans: SimSpanData[] = [];
    bench.world.spanSink = (span) => void spans.push(span);
    await bench.run(async (host) => {
      const node = await startNode(host);
      await node.engine.close();
    });
    const [start] = named(spans, 'stemedb.start');
    expect(treeOf(spans, start)).toEqual({
      'stemedb.start': [{ 'journal.recover': ['journal.survey', 'journal.settle'] }, 'index.load'],
    });
    expect(named(spans, 'journal.recover')[0]?.attributes).toMatchObject({
      'journal.verdict': 'clean',
      'journal.last_lsn': 1,
    });
    expect(named(spans, 'index.load')[0]?.attributes).toEqual({ 'index.rows': 1, 'index.folded': 1 });
    expect(start?.incarnation).toBe(2);
  });

  it('should show rotation, snapshot, scrub and a drain with its steps', async () => {
    const spans = await traced(async (node, _, host) => {
      await node.request('POST /v1/assert', { json: claim(1) });
      await node.engine.db.journal.roll();
      await node.engine.db.checkpoint();
      await node.engine.db.scrub();
      await node.engine.db.drain();
      await host.clock.sleep(1);
    });
    const [rotation] = named(spans, 'journal.rotate');
    expect(treeOf(spans, rotation)).toEqual({ 'journal.rotate': ['journal.write'] });
    expect(named(spans, 'index.snapshot')[0]?.attributes).toMatchObject({ 'index.last_lsn': 1 });
    expect(named(spans, 'scrub')[0]?.attributes).toMatchObject({ 'scrub.segments': 1, 'scrub.damaged': 0 });
    expect(treeOf(spans, named(spans, 'drain')[0])).toEqual({
      drain: ['drain.lame-duck', 'drain.commits', 'drain.seal', 'drain.snapshot'],
    });
  });
});
