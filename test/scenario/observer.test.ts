import { describe, expect, it, vi } from 'vitest';
import { faults } from '../../src/faults/registry.ts';
import { linkFaults } from '../../src/scenario/faultLinks.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { observeWorld } from '../../src/scenario/observer.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import type { RunOptions } from '../../src/scenario/runOptions.ts';
import { openStage } from '../../src/scenario/stage.ts';
import { stands } from '../../src/scenario/stands/registry.ts';
import type { SimSpanData } from '../../src/sim/tracer.ts';
import { World } from '../../src/sim/world.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };

const weather = {
  network: `
  - { at: 1s, fault: network.loss, percent: 20, duration: 2s }
  - { at: 1500ms, fault: network.slice, bytes: 100, duration: 1s }
  - { at: 3s, fault: network.partition, groups: [[stemedb-1], [client-1]], duration: 1s }
  - { at: 4500ms, fault: network.reset }`,
  process: `
  - { at: 1s, fault: process.kill, restart: 300ms }
  - { at: 2s, fault: process.pause, duration: 400ms }
  - { at: 3s, fault: process.power-loss, restart: 200ms, mode: corrupt }`,
  disk: `
  - { at: 1s, fault: disk.slow-sync, add: 80ms, duration: 2s }
  - { at: 4s, operator: systemctl restart stemedb-api }`,
} as const;

function watched(timeline: string, duration = '6s') {
  return loadScenario(
    `
title: Watched
engine: stemedb
seed: 21
duration: ${duration}
cluster:
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 1048576, max_record_bytes: 65536 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 64MiB }, store: { bytes: 64MiB } }
load: { writers: 4, think: 60ms, batches: 20, batch: 4, readers: 2, clients: 1 }
timeline:${timeline}`,
    vocabulary,
  );
}

function play(timeline: string, options: RunOptions, duration?: string) {
  return runScenario(watched(timeline, duration), options);
}

describe('a run that is observed', () => {
  it.each(Object.entries(weather))('should be the run that is not, event by event: %s', async (_, timeline) => {
    const plain = await play(timeline, {});
    const { history, observations, ...rest } = await play(timeline, { observe: true });
    expect(rest).toEqual(plain);
    expect(plain).not.toHaveProperty('history');
    expect(history).toHaveLength(plain.operations.total);
    expect(observations?.messages.length).toBeGreaterThan(200);
  });

  it('should show each call as a request and an answer, and scrapes as what they are', async () => {
    const { history = [], observations } = await play(' []', { observe: true }, '20s');
    const messages = observations?.messages ?? [];
    const between = (from: string, to: string) =>
      messages.filter((message) => message.from === from && message.to === to);
    const requests = between('client-1', 'stemedb-1');
    const answers = between('stemedb-1', 'client-1');
    expect(requests.length).toBeGreaterThanOrEqual(history.length);
    expect(answers).toHaveLength(requests.length);
    expect(new Set(requests.map(({ label }) => label.split(' ')[0]))).toEqual(new Set(['GET', 'POST']));
    for (const { label } of answers) expect(label).toMatch(/^\d{3}$/);
    expect(new Set(between('prometheus', 'stemedb-1').map(({ label }) => label))).toEqual(new Set(['GET /metrics']));
    for (const { sentMs, receivedMs = 0 } of messages) expect(receivedMs).toBeGreaterThan(sentMs);
    expect(messages.map(({ sentMs }) => sentMs)).toEqual(messages.map(({ sentMs }) => sentMs).sort((a, b) => a - b));
    expect(observations?.dropped).toEqual({ messages: 0, spans: 0, logs: 0 });
  });

  it('should show messages that were lost in a partition, and those that were repeated once', async () => {
    const { observations, faults: log } = await play(weather.network, { observe: true });
    const messages = observations?.messages ?? [];
    const partition = log.find(({ name }) => name === 'network.partition');
    const during = messages.filter(
      ({ sentMs }) => sentMs > (partition?.startMs ?? 0) && sentMs < (partition?.endMs ?? 0),
    );
    expect(during.length).toBeGreaterThan(0);
    // What was sent into the partition came after it, if at all.
    for (const { from, to, receivedMs = Number.POSITIVE_INFINITY } of during) {
      if (from === 'prometheus' || to === 'prometheus') continue;
      expect(receivedMs).toBeGreaterThanOrEqual(partition?.endMs ?? 0);
    }
    expect(messages.some(({ receivedMs }) => receivedMs === undefined)).toBe(true);
    const late = messages.filter(({ sentMs, receivedMs = 0 }) => receivedMs - sentMs > 150);
    expect(late.length).toBeGreaterThan(0);
  });

  it('should keep the states of nodes and the lines of their logs with fields', async () => {
    const { observations } = await play(weather.process, { observe: true });
    expect(observations?.states.map(({ node, state }) => `${node} ${state}`)).toEqual(
      ['starting', 'up', 'crashed', 'starting', 'up', 'crashed', 'starting', 'up'].map((state) => `stemedb-1 ${state}`),
    );
    const opened = observations?.logs.filter(({ message }) => message === 'journal open') ?? [];
    expect(opened.map(({ node, incarnation, level }) => [node, incarnation, level])).toEqual([
      ['stemedb-1', 1, 'info'],
      ['stemedb-1', 2, 'info'],
      ['stemedb-1', 3, 'info'],
    ]);
    expect(opened[1]?.fields).toMatchObject({ state: 'open', ms: expect.any(Number) });
  });

  it('should link each operation to the faults that were open while it ran, and to no other', async () => {
    const { history = [], faults: log } = await play(weather.network, { observe: true });
    const partition = log.find(({ name }) => name === 'network.partition');
    if (partition?.endMs === undefined) throw new Error('expected a partition that was healed');
    const { id, startMs, endMs } = partition;
    const linked = history.filter((operation) => operation.faults?.includes(id));
    expect(linked.length).toBeGreaterThan(0);
    expect(linked).toEqual(
      history.filter(({ invokedAt, completedAt }) => invokedAt <= endMs && completedAt >= startMs),
    );
    const calm = history.filter(({ completedAt }) => completedAt < 1000);
    expect(calm.length).toBeGreaterThan(0);
    for (const operation of calm) expect(operation).not.toHaveProperty('faults');
  });
});

describe('a run in which more happens than is held', () => {
  const span = (startMs: number): SimSpanData => ({
    id: String(startMs),
    traceId: 't',
    node: 'n',
    incarnation: 1,
    name: 's',
    startMs,
    attributes: {},
    status: 'unset',
  });

  it('should keep its end and what is around the moments that it told, and count the rest', async () => {
    const world = new World({ seed: 1 });
    const observer = observeWorld(world, { messages: 40, spans: 40, logs: 40 });
    for (let atMs = 1; atMs <= 500; atMs++) {
      world.scheduler.after(atMs, 'test', undefined, () => {
        world.spanSink?.(span(world.now));
        if (world.now === 200) observer.moment();
      });
    }
    await world.run({});
    const { spans, dropped } = observer.observations([0]);
    const times = spans.map(({ startMs }) => startMs);
    expect(times).toEqual(expect.arrayContaining([198, 199, 200, 201, 202, 499, 500]));
    expect(times.length).toBeLessThanOrEqual(40);
    expect(dropped).toEqual({ messages: 0, spans: 500 - times.length, logs: 0 });
  });

  it('should be told of every line of the timeline but logs', () => {
    const stage = openStage(watched(' []'), { observe: true });
    if (stage.observer === undefined) throw new Error('expected an observer');
    const moment = vi.spyOn(stage.observer, 'moment');
    stage.timeline.add('log', 'often');
    expect(moment).not.toHaveBeenCalled();
    stage.timeline.add('fault-start', 'something breaks');
    expect(moment).toHaveBeenCalledOnce();
  });
});

describe('links to a crash', () => {
  it('should end when the machine was told to be back, though nothing heals it', async () => {
    const { history = [], faults: log } = await play(weather.process, { observe: true });
    const kill = log.find(({ name }) => name === 'process.kill');
    const linked = history.filter((operation) => operation.faults?.includes(kill?.id ?? -1));
    expect(linked.length).toBeGreaterThan(0);
    const untilMs = (kill?.startMs ?? 0) + 300;
    expect(linked).toEqual(
      history.filter(({ invokedAt, completedAt }) => invokedAt <= untilMs && completedAt >= (kill?.startMs ?? 0)),
    );
  });
});

describe('links from operations to faults', () => {
  const operation = (invokedAt: number, completedAt: number) => ({
    id: 0,
    process: 0,
    f: 'assert',
    input: 1,
    invokedAt,
    completedAt,
    outcome: 'ok' as const,
    invokedOrder: 0,
    completedOrder: 1,
    faults: undefined as readonly number[] | undefined,
  });

  it.each([
    ['before', 0, 9, undefined],
    ['into', 5, 15, [0]],
    ['within', 12, 13, [0]],
    ['over all', 0, 100, [0, 1, 2]],
    ['after an end', 21, 29, undefined],
    ['over a stroke', 25, 35, [1]],
    ['without an answer', 41, Number.POSITIVE_INFINITY, [2]],
    ['while one is never healed', 500, 501, [2]],
  ])('should be right for an operation %s', (_, from, to, expected) => {
    const { faults: _none, ...one } = operation(from, to);
    linkFaults(
      [one],
      [
        { id: 0, fromMs: 10, toMs: 20 },
        { id: 1, fromMs: 30, toMs: 30 },
        { id: 2, fromMs: 100, toMs: Number.POSITIVE_INFINITY },
      ],
    );
    expect('faults' in one ? one.faults : undefined).toEqual(expected);
  });
});
