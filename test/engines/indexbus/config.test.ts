import { describe, expect, it } from 'vitest';
import { changedKeys } from '../../../src/engines/configChanges.ts';
import {
  indexbusConfigSchema,
  reloadInto,
  routerIdOf,
  sizesOf,
  subscriptionOf,
  wishesOf,
} from '../../../src/engines/indexbus/config.ts';
import { isoSeconds } from '../../../src/engines/isoTime.ts';

const parsed = (value: unknown) => indexbusConfigSchema.safeParse(value);
const complaint = (value: unknown): string => {
  const { error } = parsed(value);
  return error === undefined ? '' : error.issues.map((it) => `${it.path.join('.')}: ${it.message}`).join('; ');
};

describe('configuration of indexbus', () => {
  it('should have the defaults of its table', () => {
    const config = indexbusConfigSchema.parse({});
    expect(config).toMatchObject({
      region: 'local',
      environment: 'default',
      admin: { listen: '127.0.0.1:9109' },
      control_plane: { address: 'none', heartbeat_ms: 5_000 },
      expected_agents: [],
      topics: { auto_create: true },
      segment: { name: 'bus', backing: 'auto', directory: 'auto', group: 'none' },
      router_batch_size: 256,
      router_poll_interval_us: 100,
      router_spin_us: 'auto',
      router_cpu: 'none',
      numa_node: 'auto',
      lock_memory: true,
      counter_sample_ms: 100,
      liveness_check_ms: 500,
      no_subscriber: 'drop',
      subscriptions: [],
    });
    expect(sizesOf(config)).toEqual({
      producers: 16,
      lanes: 16,
      slots: 8_192,
      laneRing: 16_384,
      slotBytes: 256,
      topics: 1_024,
    });
    expect(wishesOf(config)).toMatchObject({ backing: 'auto', lockMemory: true });
  });

  it.each([
    [{ router_batch_size: 0 }, 'router_batch_size'],
    [{ router_batch_size: 5_000 }, 'router_batch_size'],
    [{ router_poll_interval_us: -1 }, 'router_poll_interval_us'],
    [{ router_poll_interval_us: 50_001 }, 'router_poll_interval_us'],
    [{ slots_per_producer: 1_000 }, 'power of two'],
    [{ slots_per_producer: 512 }, 'more than two batches'],
    [{ slot_bytes: 100 }, 'slot_bytes'],
    [{ lane_ring: 3 }, 'power of two'],
    [{ region: 'EU West' }, 'region'],
    [{ admin: { listen: 'here' } }, 'admin.listen'],
    [{ segment: { name: '' } }, 'segment.name'],
    [{ segment: { name: 'campus.building' } }, 'does not end in .building'],
    [{ segment: { name: 'campus.former' } }, '.former'],
    [{ segment: { name: 'campus.v2.locks' } }, '.locks'],
    [{ role: 'control' }, 'control_plane.address'],
    [{ subscriptions: [{ name: 'a', topics: ['x y'] }] }, 'pattern'],
    [{ subscriptions: [{ name: 'a', topics: ['x'], capacity: 9_000 }] }, 'half of lane_ring'],
    [{ subscriptions: [{ name: 'a', topics: ['x'], access: 'view', drop: 'oldest' }] }, 'newest with access: view'],
    [{ subscriptions: [{ name: 'a', topics: ['x'], access: 'view', view_max: 300, capacity: 200 }] }, 'view_max'],
    [{ subscriptions: [{ name: 'a', topics: ['x'], delivery: 'at_least_once' }] }, 'at_least_once'],
    [
      {
        subscriptions: [
          { name: 'a', topics: ['x'] },
          { name: 'a', topics: ['y'] },
        ],
      },
      'each name once',
    ],
    [{ batch: 3 }, 'batch'],
  ])('should refuse %j', (value, named) => {
    expect(complaint(value)).toContain(named);
  });

  it('should give a subscription what its lanes need', () => {
    const { subscriptions } = indexbusConfigSchema.parse({
      subscriptions: [{ name: 'a', topics: ['x'], lane: 'blocking' }],
    });
    const [{ name, ...body } = { name: '', topics: [] }] = subscriptions;
    expect(subscriptionOf(name, body as never, 16_384)).toMatchObject({
      capacity: 4_096,
      detachAfterMs: 5_000,
      viewMax: 256,
    });
    // A ring that has less room than the default wants gives what it has.
    expect(subscriptionOf(name, { ...body, lane: 'nonblocking' } as never, 64)).toMatchObject({
      capacity: 32,
      detachAfterMs: undefined,
      viewMax: 32,
    });
  });

  it('should take over what can change while running, and name the rest', () => {
    const before = indexbusConfigSchema.parse({});
    const after = indexbusConfigSchema.parse({ router_batch_size: 512, region: 'eu' });
    expect(changedKeys(before, after)).toEqual(['region', 'router_batch_size']);
    expect(reloadInto(before, after)).toEqual({ applied: ['router_batch_size'], needRestart: ['region'] });
    expect(before.router_batch_size).toBe(512);
    expect(before.region).toBe('local');
  });

  it('should name a router by its machine and its segment', () => {
    expect(routerIdOf(indexbusConfigSchema.parse({}), 'Node_1.example')).toBe('node-1-example-bus');
  });
});

describe('isoSeconds', () => {
  it.each([0, 951_782_400_000, 1_709_164_800_000, 1_795_311_240_347, 4_102_444_799_999, -1])(
    'should agree with the calendar at %d',
    (wall) => {
      expect(isoSeconds(wall)).toBe(`${new Date(Math.floor(wall / 1_000) * 1_000).toISOString().slice(0, 19)}Z`);
    },
  );
});
