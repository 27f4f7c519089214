import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { placeSpans } from '../../src/report/perfetto/spanLanes.ts';
import { perfettoTrace } from '../../src/report/perfetto.ts';
import type { SpanRecord } from '../../src/scenario/observations.ts';
import type { RunRecord } from '../../src/scenario/runRecord.ts';
import { observedRun, weather } from './observedRun.ts';
import { type Event, readTraceFile } from './perfetto/traceFormat.ts';
import { sampleRecord } from './sampleRecord.ts';

const records = new Map<string, RunRecord>();
beforeAll(async () => {
  records.set('not observed', sampleRecord({ violated: true }));
  for (const [name, lines] of Object.entries(weather)) records.set(name, await observedRun(lines));
  records.set('violated', await observedRun(weather.process, { mutants: ['ack-before-sync'] }));
});

function recordOf(name: string): RunRecord {
  const record = records.get(name);
  if (record === undefined) throw new Error(`no record ${name}`);
  return record;
}

/** Events on the row of this name of this machine. */
function onTrack(events: readonly Event[], machine: string, row: RegExp): Event[] {
  const named = (name: string, value: (text: string) => boolean) =>
    events.filter((event) => event.ph === 'M' && event.name === name && 'name' in event.args && value(event.args.name));
  const pids = new Set(named('process_name', (text) => text === machine).map(({ pid }) => pid));
  const tids = named('thread_name', (text) => row.test(text)).flatMap((event) => ('tid' in event ? [event] : []));
  return events.filter(
    (event) =>
      event.ph !== 'M' &&
      'tid' in event &&
      pids.has(event.pid) &&
      tids.some(({ pid, tid }) => pid === event.pid && tid === event.tid),
  );
}

describe('a trace for Perfetto', () => {
  it.each(['not observed', 'calm', 'network', 'process', 'violated'])(
    'should be what the format demands, for a run that was %s',
    (name) => {
      const { events, mistakes } = readTraceFile(perfettoTrace(recordOf(name)));
      expect(mistakes).toEqual([]);
      expect(events.length).toBeGreaterThan(100);
    },
  );

  it('should show states, faults, operations, spans, logs and messages where they belong', () => {
    const record = recordOf('process');
    const { events } = readTraceFile(perfettoTrace(record));
    const node = 'stemedb-1';
    expect(onTrack(events, node, /^state$/).map(({ name }) => name)).toEqual(
      record.observations?.states.map(({ state }) => state),
    );
    expect(onTrack(events, node, /^faults$/).map(({ name }) => name)).toContain('process.power-loss');
    expect(onTrack(events, node, /^log$/)).toHaveLength(record.observations?.logs.length ?? 0);
    expect(onTrack(events, node, /^spans \d+$/)).toHaveLength(record.observations?.spans.length ?? 0);
    expect(onTrack(events, 'client-1', /^sent$/).filter(({ ph }) => ph === 'X')).toHaveLength(
      record.observations?.messages.filter(({ from }) => from === 'client-1').length ?? 0,
    );
    expect(onTrack(events, 'operations of clients', /./).filter(({ ph }) => ph === 'b')).toHaveLength(
      record.history?.length ?? 0,
    );
  });

  it('should show virtual times in microseconds, and how long a fault lasted', () => {
    const record = recordOf('network');
    const fault = record.faults.find(({ name }) => name === 'network.partition');
    const { events } = readTraceFile(perfettoTrace(record));
    const times = events.flatMap((event) =>
      (event.ph === 'b' || event.ph === 'e') && event.name === 'network.partition' ? [event.ts] : [],
    );
    expect(times).toEqual([(fault?.startMs ?? 0) * 1000, (fault?.endMs ?? 0) * 1000]);
  });

  it('should draw no arrow for a message that was lost', () => {
    const record = recordOf('network');
    const lost = record.observations?.messages.filter(({ receivedMs }) => receivedMs === undefined) ?? [];
    const { events } = readTraceFile(perfettoTrace(record));
    expect(lost.length).toBeGreaterThan(0);
    expect(events.filter(({ ph }) => ph === 's')).toHaveLength(
      (record.observations?.messages.length ?? 0) - lost.length,
    );
    expect(events.filter(({ ph, name }) => ph === 'X' && name.endsWith(' (lost)'))).toHaveLength(lost.length);
  });

  it('should keep spans in the rows of their parents: a write within its commit within its request', () => {
    const record = recordOf('calm');
    const { events } = readTraceFile(perfettoTrace(record));
    const rowOf = new Map<unknown, number>(
      events.flatMap((event) => (event.ph === 'X' && event.args?.id !== undefined ? [[event.args.id, event.tid]] : [])),
    );
    const spans = record.observations?.spans ?? [];
    const writes = spans.filter(({ name }) => name === 'journal.write');
    const beside = writes.filter(({ id, parentId }) => rowOf.get(id) !== rowOf.get(parentId));
    expect(writes.length).toBeGreaterThan(50);
    expect(beside).toEqual([]);
  });

  it('should mark what a violation names, and bound itself while keeping it', () => {
    const record = recordOf('violated');
    const history = record.history ?? [];
    const named = history.at(-1)?.id ?? -1;
    const long = Array.from({ length: 40 }, (_, round) =>
      history.map((operation) => ({ ...operation, id: operation.id + round * 10_000 })),
    ).flat();
    const text = perfettoTrace({
      ...record,
      history: long,
      violations: [{ check: 'c', message: 'm', operations: [named] }],
    });
    const { events } = readTraceFile(text);
    const operations = events.filter((event) => event.ph === 'b' && event.cat === 'operation');
    expect(long.length).toBeGreaterThan(10_000);
    expect(operations).toHaveLength(10_000);
    const marked = operations.filter(
      (event) => 'args' in event && event.args !== undefined && 'violates' in event.args,
    );
    expect(marked.map((event) => ('id' in event ? event.id : ''))).toEqual([String(named)]);
    expect(JSON.parse(text).otherData.leftOut.operations).toBe(long.length - 10_000);
  });
});

describe('messages of one instant', () => {
  it('should each have their own arrow, from their own piece of a row to their own', () => {
    const send = (label: string, sentMs: number, receivedMs: number) => ({
      from: 'stemedb-1',
      to: 'client-1',
      label,
      bytes: 1,
      sentMs,
      receivedMs,
    });
    const messages = [
      send('a', 1, 2),
      send('b', 1, 2),
      send('c', 1, 3),
      send('d', 1.000001, 2),
      send('e', 1.000001, 2),
      send('f', 1.001, 2.5),
    ];
    const record = sampleRecord();
    const observations = {
      messages,
      spans: [],
      logs: [],
      states: [],
      dropped: { messages: 0, spans: 0, logs: 0 },
    };
    const { events, mistakes } = readTraceFile(perfettoTrace({ ...record, observations }));
    expect(mistakes).toEqual([]);
    const ends = events.flatMap((event) => (event.ph === 's' || event.ph === 'f' ? [event] : []));
    expect(ends).toHaveLength(12);
    for (const { name, pid, tid, ts } of ends) {
      const around = events.flatMap((event) =>
        event.ph === 'X' &&
        event.pid === pid &&
        event.tid === tid &&
        event.ts <= ts &&
        ts < event.ts + event.dur - 1e-6 - 1e-6
          ? [event.name]
          : [],
      );
      expect(around).toEqual([name]);
    }
    // As near to its moment as others leave room.
    for (const event of ends) {
      const { sentMs, receivedMs } = messages.find(({ label }) => label === event.name) ?? send('', 0, 0);
      const exact = (event.ph === 's' ? sentMs : receivedMs) * 1_000;
      expect(event.ts - exact).toBeGreaterThan(-1e-9);
      expect(event.ts - exact).toBeLessThan(2);
    }
  });
});

describe('counters', () => {
  it('should have points that are numbers alone', () => {
    const record = recordOf('not observed');
    const metrics = record.metrics.map((metric) => ({
      ...metric,
      series: metric.series.map(({ labels, points }) => ({
        labels,
        points: points.map(([atMs, value], nth): [number, number] => [
          atMs,
          nth % 3 === 1 ? Number.NaN : nth % 3 === 2 ? Number.POSITIVE_INFINITY : value,
        ]),
      })),
    }));
    const { events } = readTraceFile(perfettoTrace({ ...record, metrics }));
    expect(events.filter(({ ph }) => ph === 'C').length).toBeGreaterThan(50);
  });
});

describe('the rows of spans', () => {
  const spans = fc
    .array(
      fc.record({
        start: fc.integer({ min: 0, max: 60 }),
        length: fc.integer({ min: 0, max: 30 }),
        parent: fc.option(fc.nat(1000), { nil: undefined }),
        ends: fc.boolean(),
      }),
      { maxLength: 30, size: '+1' },
    )
    .map((drafts) =>
      drafts.map(
        ({ start, length, parent, ends }, index): SpanRecord => ({
          id: String(index),
          ...(parent !== undefined && index > 0 ? { parentId: String(parent % index) } : {}),
          traceId: 't',
          node: 'n',
          incarnation: 1,
          name: 's',
          startMs: start,
          ...(ends ? { endMs: start + length } : {}),
          attributes: {},
          status: 'unset',
        }),
      ),
    );

  it('should hold every span once, and never two that cross', () => {
    fc.assert(
      fc.property(spans, (given) => {
        const placed = placeSpans(given, () => 100);
        expect(placed.map(({ span }) => span.id).toSorted()).toEqual(given.map(({ id }) => id).toSorted());
        for (const a of placed) {
          for (const b of placed) {
            if (a === b || a.lane !== b.lane) continue;
            const crosses = a.span.startMs < b.span.startMs && b.span.startMs < a.endMs && a.endMs < b.endMs;
            expect(crosses).toBe(false);
          }
        }
      }),
    );
  });
});

describe('the reader that the tests trust', () => {
  const broken: Readonly<Record<string, (events: Record<string, unknown>[]) => void>> = {
    'does not end': (events) =>
      void events.splice(
        events.findLastIndex(({ ph }) => ph === 'e'),
        1,
      ),
    'begins twice': (events) => {
      const at = events.findIndex(({ ph }) => ph === 's');
      events.splice(at, 0, { ...events[at] });
    },
    'has no name': (events) =>
      void events.splice(
        events.findIndex(({ name }) => name === 'thread_name'),
        1,
      ),
    'is before that of': (events) => void events.push({ ...events.find(({ ph }) => ph === 'i') }),
    'no piece of its row': (events) => {
      const end = events.find(({ ph }) => ph === 'f');
      if (end !== undefined) end.ts = Number(end.ts) + 0.5;
    },
    leaves: (events) => {
      const slices = events.filter(({ ph, name }) => ph === 'X' && name === 'journal.write');
      for (const slice of slices) slice.dur = 1e9;
    },
  };

  it.each(Object.entries(broken))('should see a trace of which something "%s"', (words, breakIt) => {
    const trace = JSON.parse(perfettoTrace(recordOf('network')));
    breakIt(trace.traceEvents);
    expect(readTraceFile(JSON.stringify(trace)).mistakes.join('\n')).toContain(words);
  });
});
