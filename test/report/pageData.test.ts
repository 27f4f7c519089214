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
    expect([page.historyLeftOut, page.leftOut]).toEqual([0, { messages: 0, spans: 0, logs: 0 }]);
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
});
