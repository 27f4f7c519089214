import { describe, expect, it } from 'vitest';
import { pageData } from '../../src/report/pageData.ts';
import { messageColumns } from '../../src/report/pageObservations.ts';
import type { MessageRecord } from '../../src/scenario/observations.ts';
import { observedRun, weather } from './observedRun.ts';
import { sampleRecord } from './sampleRecord.ts';

/** The messages that columns say, as the page reads them. */
function messagesOf(columns: ReturnType<typeof messageColumns>): MessageRecord[] {
  let atUs = 0;
  return columns.sentUs.map((sinceUs, index) => {
    atUs += sinceUs;
    const flightUs = columns.flightUs[index] ?? -1;
    return {
      sentMs: atUs / 1000,
      ...(flightUs < 0 ? {} : { receivedMs: (atUs + flightUs) / 1000 }),
      from: columns.machines[columns.from[index] ?? -1] ?? '',
      to: columns.machines[columns.to[index] ?? -1] ?? '',
      bytes: columns.bytes[index] ?? 0,
      label: columns.labels[columns.label[index] ?? -1] ?? '',
    };
  });
}

describe('what the page is given of an observed run', () => {
  it('should have every message in its columns, to the microsecond', async () => {
    const { observations } = await observedRun(weather.network);
    const given = observations?.messages ?? [];
    const columns = messageColumns(given);
    const read = messagesOf(columns);
    expect(read).toHaveLength(given.length);
    for (const [index, message] of given.entries()) {
      const { sentMs, receivedMs, ...rest } = read[index] ?? { sentMs: Number.NaN };
      expect(rest).toEqual({ from: message.from, to: message.to, bytes: message.bytes, label: message.label });
      expect(Math.abs(sentMs - message.sentMs)).toBeLessThan(0.001);
      expect(receivedMs === undefined).toBe(message.receivedMs === undefined);
      if (receivedMs !== undefined) expect(Math.abs(receivedMs - (message.receivedMs ?? 0))).toBeLessThan(0.001);
    }
    expect(read.some(({ receivedMs }) => receivedMs === undefined)).toBe(true);
    for (const column of [columns.sentUs, columns.flightUs, columns.bytes]) {
      expect(column.every((value) => Number.isSafeInteger(value))).toBe(true);
    }
  });

  it('should have rows of spans, logs, states and operations, and nothing of them twice', async () => {
    const record = await observedRun(weather.process);
    const page = pageData(record);
    const { spans = [], logs = [], states = [] } = record.observations ?? {};
    expect(page.observed).toBe(true);
    expect(page.spans.map((row) => row[5])).toEqual(spans.map(({ id }) => id));
    expect(page.spans.filter((row) => row[1] === null)).toHaveLength(
      spans.filter(({ endMs }) => endMs === undefined).length,
    );
    expect(page.logs.map((row) => row[4])).toEqual(logs.map(({ message }) => message));
    expect(page.states).toEqual(states.map(({ atMs, node, state }) => [atMs, node, state]));
    expect(page.history.map((row) => row[0])).toEqual(record.history?.map(({ id }) => id));
    expect(page.history.some((row) => row[11].length > 0)).toBe(true);
    expect([page.historyLeftOut, page.leftOut]).toEqual([
      0,
      { messages: 0, spans: 0, logs: 0, timeline: 0, samples: 0, violations: {} },
    ]);
    expect(page).not.toHaveProperty('observations');
    // The page is JSON: what has no answer is null, not missing.
    expect(JSON.parse(JSON.stringify(page.history))).toEqual(page.history);
  });

  it('should keep what violations name of a long history, and say how much is not there', async () => {
    const record = await observedRun(weather.calm);
    const { history = [] } = record;
    const rounds = Math.ceil(21_000 / history.length);
    const long = Array.from({ length: rounds }, (_, round) =>
      history.map((operation) => ({
        ...operation,
        id: operation.id + round * history.length,
        invokedAt: operation.invokedAt + round * 10_000,
      })),
    ).flat();
    const named = [3, long.length - 1];
    const violation = { check: 'c', message: 'm', operations: named };
    const page = pageData({ ...record, history: long, violations: [violation] });
    const ids = page.history.map((row) => row[0]);
    expect(page.history).toHaveLength(20_000);
    expect(page.historyLeftOut).toBe(long.length - 20_000);
    expect(ids).toEqual(expect.arrayContaining(named));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  });

  it('should cut what an operation was given where it is long, and say so', async () => {
    const record = await observedRun(weather.calm);
    const [first] = record.history ?? [];
    if (first === undefined) throw new Error('expected an operation');
    const page = pageData({ ...record, history: [{ ...first, input: 'x'.repeat(10_000) }] });
    expect(page.history[0]?.[7]).toMatch(/^"x{238}…$/);
  });

  it('should be empty of a run that nobody observed', () => {
    const page = pageData(sampleRecord());
    expect(page.observed).toBe(false);
    expect([page.spans, page.logs, page.states, page.history, page.messages.sentUs]).toEqual([[], [], [], [], []]);
  });

  it('should bound what a run can make any number of, and count what it left out', () => {
    const record = sampleRecord({ violated: true });
    const violations = Array.from({ length: 100_000 }, (_, id) => ({
      check: id % 1_000 === 0 ? 'rare' : 'often',
      message: `number ${id}`,
      atMs: 60_000,
      operations: [id],
      evidence: { seen: 'x'.repeat(id === 0 ? 1_000_000 : 100) },
    }));
    const timeline = Array.from({ length: 300_000 }, (_, index) => ({
      atMs: index,
      kind: 'note' as const,
      text: `line ${index}`,
    }));
    const points = Array.from({ length: 50_000 }, (_, index): [number, number] => [index * 15_000, index]);
    const metrics = [{ name: 'm', help: '', type: 'gauge', series: [{ labels: {}, points }] }];
    const page = pageData({ ...record, violations, timeline, metrics });
    const ofCheck = (check: string) =>
      page.violations.filter((one) => one.check === check).map(({ message }) => message);
    expect(ofCheck('rare')).toHaveLength(100);
    expect(ofCheck('often')).toHaveLength(200);
    expect(ofCheck('often')[0]).toBe('number 1');
    expect(page.violations[0]?.evidence).toMatch(/^1000011 characters .* report\.json$/);
    expect(page.timeline).toHaveLength(150_000);
    expect(page.timeline.some(([atMs]) => atMs === 60_000)).toBe(true);
    const [metric] = page.metrics;
    const shown = metric?.series[0]?.values ?? [];
    expect(shown.length).toBeLessThanOrEqual(4_000);
    // All of it in steps, and every sample where something happened.
    expect(shown.slice(0, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(shown.at(-1)).toBeGreaterThan(49_000);
    expect(page.leftOut).toMatchObject({
      timeline: 150_000,
      samples: 50_000 - shown.length,
      violations: { often: 99_900 - 200 },
    });
    expect(JSON.stringify(page).length).toBeLessThan(10_000_000);
  });

  it('should leave of a long order the states that are drawn', () => {
    const statesAlong = Array.from({ length: 5_000 }, (_, rank) => `state ${rank} ${'x'.repeat(100)}`);
    const evidence = { longestPrefix: statesAlong.map((_, rank) => rank), statesAlong, stuck: [5_000] };
    const violation = { check: 'c', message: 'm', evidence };
    const [shown] = pageData({ ...sampleRecord(), violations: [violation] }).violations;
    expect(shown?.evidence).toEqual({
      ...evidence,
      statesAlong: [...Array<string>(4_986).fill(''), ...statesAlong.slice(-14)],
    });
  });

  it('should leave numbers that are none as gaps', () => {
    const points: [number, number][] = [
      [0, 1],
      [15_000, Number.NaN],
      [30_000, Number.POSITIVE_INFINITY],
      [45_000, 2],
    ];
    const metrics = [{ name: 'm', help: '', type: 'gauge', series: [{ labels: {}, points }] }];
    expect(pageData({ ...sampleRecord(), metrics }).metrics[0]?.series[0]?.values).toEqual([1, null, null, 2]);
  });
});
