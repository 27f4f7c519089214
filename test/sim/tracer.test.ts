import { ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/host/host.ts';
import { contextOf, inSpan } from '../../src/host/tracing.ts';
import type { SimSpanData } from '../../src/sim/tracer.ts';
import { World } from '../../src/sim/world.ts';

/** Runs a program on machine `a`; gives the spans that were seen. */
async function spansOf(
  main: (host: Host, world: World) => Promise<void> | void,
  options: { readonly seed?: number; readonly watched?: boolean } = {},
): Promise<{ readonly spans: SimSpanData[]; readonly world: World }> {
  const world = new World({ seed: options.seed ?? 1 });
  const spans: SimSpanData[] = [];
  if (options.watched !== false) world.spanSink = (span) => void spans.push(span);
  world.addMachine('a').start('main', (host) => main(host, world));
  await world.run({ toMs: 10_000 });
  return { spans, world };
}

describe('the tracer of a simulated process', () => {
  it('should give spans virtual times, names, attributes and the parent of their context', async () => {
    const { spans } = await spansOf(async ({ clock, telemetry: { tracer } }) => {
      await clock.sleep(5);
      const outer = tracer.startSpan('outer', { attributes: { n: 1 } });
      await clock.sleep(10);
      const inner = tracer.startSpan('inner', {}, contextOf(outer));
      inner.setAttribute('deep', true).updateName('innermost');
      await clock.sleep(1);
      inner.end();
      outer.end();
    });
    const [outer, inner] = spans;
    expect(outer).toMatchObject({ name: 'outer', node: 'a', incarnation: 1, attributes: { n: 1 }, status: 'unset' });
    expect(outer).not.toHaveProperty('parentId');
    expect(inner).toMatchObject({ name: 'innermost', parentId: outer?.id, traceId: outer?.traceId });
    expect(inner?.attributes).toEqual({ deep: true });
    expect((inner?.startMs ?? 0) - (outer?.startMs ?? 0)).toBeCloseTo(10, 1);
    expect(inner?.endMs).toBe(outer?.endMs);
    expect(outer?.id).toMatch(/^[0-9a-f]{16}$/);
    expect(outer?.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('should keep events, links, exceptions and status, as the specification orders them', async () => {
    const { spans } = await spansOf(({ telemetry: { tracer } }) => {
      const other = tracer.startSpan('other');
      const span = tracer.startSpan('span', { links: [{ context: other.spanContext() }] });
      span.addEvent('submitted', { bytes: 7 });
      span.recordException(new RangeError('too far'));
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'failed' });
      span.setStatus({ code: SpanStatusCode.UNSET });
      const good = tracer.startSpan('good', { root: true }, contextOf(span));
      good.setStatus({ code: SpanStatusCode.OK });
      good.setStatus({ code: SpanStatusCode.ERROR, message: 'too late' });
    });
    expect(spans[1]).toMatchObject({
      status: 'error',
      message: 'failed',
      links: [spans[0]?.id],
      events: [
        { name: 'submitted', attributes: { bytes: 7 } },
        { name: 'exception', attributes: { 'exception.type': 'RangeError', 'exception.message': 'too far' } },
      ],
    });
    expect(spans[2]).toMatchObject({ name: 'good', status: 'ok' });
    expect(spans[2]).not.toHaveProperty('parentId');
    expect(spans[2]).not.toHaveProperty('message');
  });

  it('should leave a span open when its process dies, and change nothing after an end', async () => {
    let ended: Span | undefined;
    const { spans } = await spansOf(async ({ clock, telemetry: { tracer } }, world) => {
      tracer.startSpan('cut off');
      ended = tracer.startSpan('ended');
      ended.end();
      ended.setAttribute('late', 1);
      expect(ended.isRecording()).toBe(false);
      world.scheduler.after(5, 'kill', undefined, () => world.machines.get('a')?.kill());
      await clock.sleep(10);
      tracer.startSpan('never');
    });
    expect(spans.map(({ name, endMs }) => [name, endMs !== undefined])).toEqual([
      ['cut off', false],
      ['ended', true],
    ]);
    expect(spans[1]?.attributes).toEqual({});
  });

  it('should give the same ids whether anybody watches or not, others to other seeds and starts, and draw nothing', async () => {
    const ids = async (options: { seed?: number; watched?: boolean }): Promise<[string[], string]> => {
      const seen: string[] = [];
      const { world } = await spansOf(({ telemetry: { tracer } }, inside) => {
        for (let index = 0; index < 50; index++) {
          const { traceId, spanId } = tracer.startSpan('s').spanContext();
          seen.push(traceId, spanId);
        }
        if (inside.machines.get('a')?.incarnation === 1) {
          inside.scheduler.after(1, 'again', undefined, () => {
            inside.machines.get('a')?.kill();
            inside.machines.get('a')?.restart();
          });
        }
      }, options);
      return [seen, world.trace.fingerprint];
    };
    const [watched, fingerprint] = await ids({});
    expect(await ids({ watched: false })).toEqual([watched, fingerprint]);
    expect(watched).toHaveLength(200);
    expect(new Set(watched).size).toBe(200);
    const [other] = await ids({ seed: 2 });
    expect(other.filter((id) => watched.includes(id))).toEqual([]);
  });

  it('should not record when nobody watches', async () => {
    let recording = true;
    const { spans } = await spansOf(
      ({ telemetry: { tracer } }) => {
        const span = tracer.startSpan('s');
        recording = span.isRecording();
        expect(contextOf(span)).toBeUndefined();
        span.setAttribute('a', 1).addEvent('e').end();
      },
      { watched: false },
    );
    expect([recording, spans]).toEqual([false, []]);
  });

  it('should continue the trace of a remote caller, and hand a span to startActiveSpan', async () => {
    const remote = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true };
    const { spans } = await spansOf(({ telemetry: { tracer } }) => {
      const context = trace.setSpanContext(ROOT_CONTEXT, remote);
      const given = tracer.startActiveSpan('active', {}, context, (span) => span);
      expect(given.spanContext().traceId).toBe(remote.traceId);
      expect(tracer.startActiveSpan('plain', (span) => span.isRecording())).toBe(true);
    });
    expect(spans[0]).toMatchObject({ name: 'active', parentId: remote.spanId, traceId: remote.traceId });
  });

  it('should bound what one span keeps', async () => {
    const { spans } = await spansOf(({ telemetry: { tracer } }) => {
      const span = tracer.startSpan('s');
      for (let index = 0; index < 1000; index++) {
        span.setAttribute(`a${index}`, index).addEvent('e').addLink({ context: span.spanContext() });
      }
    });
    expect(Object.keys(spans[0]?.attributes ?? {})).toHaveLength(128);
    expect(spans[0]?.events).toHaveLength(128);
    expect(spans[0]?.links).toHaveLength(128);
  });

  it('should end the span of work that throws, with what it threw', async () => {
    const { spans } = await spansOf(async ({ clock, telemetry: { tracer } }) => {
      const work = inSpan(tracer, 'work', undefined, async (context) => {
        await clock.sleep(3);
        tracer.startSpan('part', {}, context).end();
        throw new Error('broken');
      });
      await expect(work).rejects.toThrow('broken');
    });
    expect(spans[0]).toMatchObject({ name: 'work', status: 'error', message: 'broken', endMs: spans[1]?.endMs });
    expect(spans[1]?.parentId).toBe(spans[0]?.id);
  });
});
