import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningEngine } from '../../../src/engines/engine.ts';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import { indexbusConfigSchema } from '../../../src/engines/indexbus/config.ts';
import { runbookCounters } from '../../../src/engines/indexbus/counters.ts';
import { startIndexbus } from '../../../src/engines/indexbus/engine.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { Host } from '../../../src/host/host.ts';
import { createRealHost } from '../../../src/real/host.ts';
import { createSabSegments, createSabSharedMemory } from '../../../src/real/sharedMemory.ts';
import { ownIdentity } from '../../../src/real/shm/identity.ts';

/** Those that only a control plane has. */
const ofControlPlanes = ['indexbus_agents'];

/** Every metric that alerts, dashboards and the contract name, beside the runbook's counters. */
const named = [
  'publish_refused_total requeued_total redelivered_total lane_depth lane_capacity lane_credit_limit source_depth',
  'pool_free_slots qdepth qdepth_limit lane_oldest_seconds lane_idle_ratio source_wait_seconds batch_messages',
  'router_busy_ratio router_loop_age_seconds router_poll_interval_effective_seconds router_parks_total wakes_total',
  'router_epoch segment_generation segment_bytes recoveries_total recovery_seconds segments_retired_total seats',
  'seat_remote_node keyed_moving_buckets bottleneck control_plane_up control_plane_last_contact_seconds tuning_applied',
]
  .join(' ')
  .split(' ');

let host: Host;
let running: RunningEngine;

beforeEach(async () => {
  const real = createRealHost({ name: 'machine', telemetry: { options: { level: 'error' } } });
  host = { ...real, shm: createSabSharedMemory(createSabSegments(), ownIdentity(), 'a test') };
  const config = indexbusConfigSchema.parse({
    router_id: 'r1',
    counter_sample_ms: 10,
    slots_per_producer: 1_024,
    subscriptions: [{ name: 'keys', topics: ['>'], mode: 'keyed', lane: 'blocking', detach_after_ms: 'none' }],
  });
  running = await startIndexbus(host, config);
});
afterEach(() => running.close());

async function scrape(): Promise<string> {
  return host.telemetry.registry.metrics();
}

describe('the metrics of a router', () => {
  it('should be all that were promised, each with its help', async () => {
    const text = await scrape();
    const exported = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const expected = [...named, ...runbookCounters.flatMap((name) => [`${name}_total`, `${name}_per_sec`])];
    expect(expected.map((name) => `indexbus_${name}`).filter((name) => !exported.has(name))).toEqual([]);
  });

  it('should tell each value once', async () => {
    const told = (await scrape()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const series = told.map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(series.length).toBeGreaterThan(100);
    expect(series.filter((one, at) => series.indexOf(one) !== at)).toEqual([]);
  });

  it.each(['alerts/indexbus.yaml', 'deploy/grafana/indexbus.json'])(
    'should have every series that %s names',
    async (file) => {
      const text = await scrape();
      const exported = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name));
      const used = new Set(
        [...readFileSync(resolve(file), 'utf8').matchAll(/\bindexbus_[a-z0-9_]+/g)].map(([name]) => name),
      );
      expect(used.size).toBeGreaterThan(10);
      const unknown = [...used].filter(
        (name) =>
          !exported.has(name) &&
          !exported.has(name.replace(/_(bucket|sum|count)$/, '')) &&
          !ofControlPlanes.includes(name),
      );
      expect(unknown).toEqual([]);
    },
  );

  it('should tell how many buckets of keys wait for their former lane', async () => {
    const moving = async (): Promise<number> =>
      Number(/^indexbus_keyed_moving_buckets\{.*subscription="keys".*\} (\d+)$/m.exec(await scrape())?.[1]);
    const bus = await openBus({ segment: 'bus', host });
    const first = await bus.consumer({ subscription: 'keys' });
    const producer = await bus.producer();
    const topic = await bus.topic('t');
    await expect.poll(moving).toBe(0);
    for (let key = 0; key < 256; key += 1) expect(producer.publish(topic, Uint8Array.of(key), key)).toBe(true);
    producer.flush();
    const batch = new MessageBatch(256, 65_536);
    let received = 0;
    while (received < 256 && (await first.ready(1_000))) received += first.receive(batch);
    expect(received).toBe(256);
    const second = await bus.consumer({ subscription: 'keys' });
    // Half of the buckets belong to the newcomer as soon as the first is through with what it received; not before.
    await expect.poll(moving).toBeGreaterThan(64);
    first.ack();
    await expect.poll(moving).toBe(0);
    for (const consumer of [first, second]) await consumer.close();
    await bus.close();
  });
});
