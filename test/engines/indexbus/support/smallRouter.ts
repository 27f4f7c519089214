import { type IndexbusConfig, indexbusConfigSchema } from '../../../../src/engines/indexbus/config.ts';

/** What a router of a test is told: few and small slots, and frequent looks, besides what the test says. */
export function smallRouter(more: Readonly<Record<string, unknown>>): IndexbusConfig {
  return indexbusConfigSchema.parse({
    router_id: 'r1',
    liveness_check_ms: 50,
    counter_sample_ms: 10,
    router_batch_size: 16,
    slots_per_producer: 64,
    slot_bytes: 64,
    producers_max: 4,
    ...more,
  });
}
