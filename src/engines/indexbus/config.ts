import { z } from 'zod';
import type { MachineWishes } from '../../host/machineWishes.ts';
import type { Address } from '../../host/network.ts';
import { changedKeys, reloadReport } from '../configChanges.ts';
import type { Subscription } from './commands.ts';
import { derivedEnds, isDerivedName } from './derivedNames.ts';
import { type SegmentSizes, segmentBytes } from './layout.ts';
import { isPattern } from './patterns.ts';

/** A label of metrics and a part of paths: a region, an environment, a router. */
export const label = z.string().regex(/^[a-z0-9-]{1,63}$/, 'expected 1 to 63 of a-z, 0-9 and -');
const path = z
  .string()
  .regex(/^\/[^\0]*$/, 'expected an absolute path')
  .transform((value) => (value.length > 1 ? value.replace(/\/+$/, '') : value));
const powerOfTwo = (low: number, high: number) =>
  z
    .int()
    .min(low)
    .max(high)
    .refine((value) => Number.isInteger(Math.log2(value)), {
      error: ({ input }) => `expected a power of two, got ${JSON.stringify(input)}`,
    });

/** `host:port`, an IPv6 host in brackets; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || !(port <= 65_535) ? undefined : { host, port };
}

const address = z.string().refine((text) => parseAddress(text) !== undefined, {
  error: ({ input }) => `expected host:port, port 0..65535, an IPv6 host in brackets, got ${JSON.stringify(input)}`,
});

const admin = z.strictObject({
  listen: address.default('127.0.0.1:9109').describe('where HTTP is served'),
  tls: z.strictObject({ cert: path, key: path, client_ca: path.optional() }).optional(),
  tokens_file: path.optional().describe('one "token role[,role]" a line; needed beyond loopback, as TLS is'),
});

const controlPlane = z.strictObject({
  address: z
    .union([z.literal('none'), address])
    .default('none')
    .describe('where routers report to; in role control where reports are listened for'),
  heartbeat_ms: z.int().min(1_000).max(60_000).default(5_000),
});

export const segmentName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/, 'expected 1 to 48 letters, digits, ".", "_" or "-"')
  .refine((name) => !isDerivedName(name), {
    error: `expected a name that does not end in ${Object.values(derivedEnds).join(', ')}: segments have regions of these names beside their own`,
  });

const segment = z.strictObject({
  name: segmentName.default('bus'),
  backing: z.enum(['auto', 'hugetlbfs', 'memfd', 'tmpfs', 'sab']).default('auto'),
  directory: z
    .union([z.literal('auto'), path])
    .default('auto')
    .describe('on tmpfs'),
  group: z.string().min(1).max(32).default('none').describe('its members may attach: files get mode 0660'),
});

/** Ranges of the keys that can change while the router runs: `PATCH …/router` takes them as well. */
export const routerKeys = {
  router_batch_size: z.int().min(1).max(4_096),
  router_poll_interval_us: z.int().min(0).max(50_000),
  router_spin_us: z.union([z.literal('auto'), z.int().min(0).max(10_000)]),
};

const noneOr = (low: number, high: number) => z.union([z.literal('none'), z.int().min(low).max(high)]);

/** What can be said of a subscription's lanes; `PATCH …/lanes/{lane}` takes them as well. */
export const laneKeys = {
  lane: z.enum(['nonblocking', 'blocking']),
  drop: z.enum(['newest', 'oldest']),
  capacity: z.int().min(1).max(1_048_576),
  credit_limit: noneOr(1, 1_048_576),
  detach_after_ms: noneOr(100, 3_600_000),
};

/** A subscription as configuration and `PUT …/subscriptions/{name}` write it, without its name. */
export const subscriptionKeys = {
  topics: z
    .array(
      z.string().refine(isPattern, {
        error: ({ input }) =>
          `expected a pattern such as orders.created, orders.* or orders.>, got ${JSON.stringify(input)}`,
      }),
    )
    .min(1),
  mode: z.enum(['broadcast', 'workqueue', 'keyed']).default('broadcast'),
  lane: laneKeys.lane.default('nonblocking'),
  drop: laneKeys.drop.default('newest'),
  capacity: laneKeys.capacity.optional().describe('default 4096, or half of lane_ring where that is less'),
  credit_limit: laneKeys.credit_limit.default('none'),
  balance: z.enum(['round_robin', 'least_depth']).default('round_robin'),
  detach_after_ms: laneKeys.detach_after_ms.optional().describe('default 5000 if blocking, else none'),
  delivery: z.enum(['at_most_once', 'at_least_once']).default('at_most_once'),
  access: z.enum(['copy', 'view']).default('copy'),
  view_max: z.int().min(1).max(4_096).optional().describe('default 256, or the capacity where that is less'),
};
export const subscriptionNames = z
  .string()
  .regex(/^[a-z0-9._-]{1,63}$/, 'expected 1 to 63 of a-z, 0-9, ".", "_" and "-"');
const subscription = z.strictObject({ name: subscriptionNames, ...subscriptionKeys });
export const subscriptionBody = z.strictObject(subscriptionKeys);

/** Ranges of a segment's sizes. */
const sizeKeys = {
  producers_max: z.int().min(1).max(64),
  lanes_max: z.int().min(1).max(64),
  slots_per_producer: powerOfTwo(4, 1_048_576),
  slot_bytes: z.int().min(64).max(65_536).multipleOf(64),
  lane_ring: powerOfTwo(2, 1_048_576),
  topics_max: z.int().min(1).max(2_048),
};

/** New sizes of a segment, for a roll; what is not named stays. */
export const sizesSchema = z.strictObject({
  producers_max: sizeKeys.producers_max.optional(),
  lanes_max: sizeKeys.lanes_max.optional(),
  slots_per_producer: sizeKeys.slots_per_producer.optional(),
  slot_bytes: sizeKeys.slot_bytes.optional(),
  lane_ring: sizeKeys.lane_ring.optional(),
  topics_max: sizeKeys.topics_max.optional(),
});
export type SizesBody = z.infer<typeof sizesSchema>;

/** What a roll is asked for. */
export const rollSchema = sizesSchema.extend({
  patience_ms: z
    .int()
    .min(0)
    .max(86_400_000)
    .optional()
    .describe('how long a consumer that works is waited for; default: as long as it works'),
});
export type RollBody = z.infer<typeof rollSchema>;

/** The configuration of a router, as its file has it. `parse({})` gives every default; unknown keys are errors. */
export const indexbusConfigSchema = z
  .strictObject({
    role: z.enum(['router', 'control']).default('router').describe('control: a control plane; --role sets it'),
    standby: z.boolean().default(false).describe('wait while another router has the segment; --standby sets it'),
    strict: z.boolean().default(false).describe('do not start where the machine refuses what is asked of it; --strict'),
    region: label.default('local'),
    environment: label.default('default'),
    router_id: label.optional().describe('unique in the environment; default: host and segment'),
    expected_agents: z.array(label).max(10_000).default([]).describe('role control: routers that have to report'),
    admin: admin.prefault({}),
    control_plane: controlPlane.prefault({}),
    segment: segment.prefault({}),
    topics: z.strictObject({ auto_create: z.boolean().default(true) }).prefault({}),
    producers_max: sizeKeys.producers_max.default(16),
    lanes_max: sizeKeys.lanes_max.default(16),
    slots_per_producer: sizeKeys.slots_per_producer.default(8_192).describe('more than two batches'),
    slot_bytes: sizeKeys.slot_bytes.default(256).describe('16 of them are the header'),
    lane_ring: sizeKeys.lane_ring.default(16_384),
    topics_max: sizeKeys.topics_max.default(1_024),
    router_batch_size: routerKeys.router_batch_size.default(256).describe('messages of a poll, at most'),
    router_poll_interval_us: routerKeys.router_poll_interval_us
      .default(100)
      .describe('longest sleep; 0 spins. A publish ends a sleep at once'),
    router_spin_us: routerKeys.router_spin_us.default('auto').describe('before a sleep; auto: 20, or 0 on few cores'),
    router_cpu: z
      .union([z.literal('none'), z.int().min(0).max(1_023)])
      .default('none')
      .describe('the router thread is pinned to this core'),
    numa_node: z.union([z.enum(['auto', 'none']), z.int().min(0).max(255)]).default('auto'),
    lock_memory: z.boolean().default(true).describe('lock the segment in memory'),
    counter_sample_ms: z.int().min(10).max(10_000).default(100),
    liveness_check_ms: z.int().min(50).max(10_000).default(500),
    no_subscriber: z.enum(['drop', 'hold']).default('drop'),
    subscriptions: z.array(subscription).max(64).default([]),
  })
  .superRefine((config, context) => {
    const issue = (key: readonly PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path: [...key], message });
    const { slots_per_producer: slots, router_batch_size: batch, lane_ring: ring } = config;
    if (slots <= 2 * batch) {
      issue(
        ['slots_per_producer'],
        `expected more than two batches (router_batch_size = ${batch}, so more than ${2 * batch}), got ${slots}`,
      );
    }
    const names = config.subscriptions.map(({ name }) => name);
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) issue(['subscriptions'], `expected each name once, got ${twice} twice`);
    for (const [at, given] of config.subscriptions.entries()) {
      const problem = problemOf(given, ring);
      if (problem !== undefined) issue(['subscriptions', at, problem.key], problem.message);
    }
    if (config.role === 'control' && config.control_plane.address === 'none') {
      issue(['control_plane', 'address'], 'expected host:port to listen at for reports, since role is control');
    }
  });

/** A checked configuration. Milliseconds and microseconds as the keys' names say. */
export type IndexbusConfig = z.infer<typeof indexbusConfigSchema>;
export type SubscriptionBody = z.infer<typeof subscriptionBody>;

/** What does not go together in a subscription. */
function problemOf(
  given: SubscriptionBody,
  laneRing: number,
): { readonly key: keyof SubscriptionBody; readonly message: string } | undefined {
  const { capacity, creditLimit, viewMax } = subscriptionOf('', given, laneRing);
  if (capacity > laneRing / 2) {
    return { key: 'capacity', message: `expected at most half of lane_ring = ${laneRing / 2}, got ${capacity}` };
  }
  if (creditLimit !== undefined && creditLimit > capacity) {
    return { key: 'credit_limit', message: `expected at most capacity = ${capacity}, got ${creditLimit}` };
  }
  if (given.access === 'view' && viewMax > capacity) {
    return { key: 'view_max', message: `expected at most capacity = ${capacity}, got ${viewMax}` };
  }
  if (given.access === 'view' && given.drop === 'oldest') {
    return {
      key: 'drop',
      message: 'expected newest with access: view, whose messages cannot be taken back, got oldest',
    };
  }
  if (given.delivery === 'at_least_once' && (given.mode === 'broadcast' || given.access !== 'view')) {
    return { key: 'delivery', message: 'at_least_once expects mode workqueue or keyed, and access: view' };
  }
  if (given.delivery === 'at_least_once' && given.lane !== 'blocking') {
    return { key: 'lane', message: 'expected blocking with delivery: at_least_once, got nonblocking' };
  }
  return undefined;
}

/** A subscription as the router knows it. @param laneRing of the segment: half of it is the largest capacity */
export function subscriptionOf(name: string, given: SubscriptionBody, laneRing: number): Subscription {
  const capacity = given.capacity ?? Math.min(4_096, laneRing / 2);
  const isBlocking = given.lane === 'blocking';
  const detachAfter = given.detach_after_ms ?? (isBlocking ? 5_000 : 'none');
  return {
    name,
    topics: given.topics,
    mode: given.mode,
    lane: given.lane,
    drop: given.drop,
    capacity,
    creditLimit: given.credit_limit === 'none' ? undefined : given.credit_limit,
    balance: given.balance,
    detachAfterMs: detachAfter === 'none' ? undefined : detachAfter,
    delivery: given.delivery,
    access: given.access,
    viewMax: given.view_max ?? Math.min(256, capacity),
  };
}

/** A subscription as configuration and HTTP write it. */
export function bodyOfSubscription(known: Subscription): SubscriptionBody & { readonly name: string } {
  return {
    name: known.name,
    topics: [...known.topics],
    mode: known.mode,
    lane: known.lane,
    drop: known.drop,
    capacity: known.capacity,
    credit_limit: known.creditLimit ?? 'none',
    balance: known.balance,
    detach_after_ms: known.detachAfterMs ?? 'none',
    delivery: known.delivery,
    access: known.access,
    view_max: known.viewMax,
  };
}

/** Sizes of the segment that a configuration asks for. */
export function sizesOf(config: IndexbusConfig): SegmentSizes {
  return {
    producers: config.producers_max,
    lanes: config.lanes_max,
    slots: config.slots_per_producer,
    laneRing: config.lane_ring,
    slotBytes: config.slot_bytes,
    topics: config.topics_max,
  };
}

/** What a configuration asks of the machine: nothing where it is one of a control plane, which has no segment. */
export function wishesOf(config: IndexbusConfig): MachineWishes {
  const { segment: place } = config;
  if (config.role === 'control') return {};
  return {
    region: place.name,
    ...(place.group === 'none' ? {} : { group: place.group }),
    ...(place.directory === 'auto' ? {} : { directory: place.directory }),
    bytes: segmentBytes(sizesOf(config)),
    backing: place.backing,
    ...(config.router_cpu === 'none' ? {} : { cpu: config.router_cpu }),
    ...(typeof config.numa_node === 'number' ? { numaNode: config.numa_node } : {}),
    lockMemory: config.lock_memory,
  };
}

/** The name of a router that was given none: its machine and its segment. */
export function routerIdOf(config: IndexbusConfig, machine: string): string {
  if (config.router_id !== undefined) return config.router_id;
  const name = config.role === 'control' ? `${machine}-control` : `${machine}-${config.segment.name}`;
  return name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 63);
}

/** Keys that take effect while the router runs; every other change needs a restart. */
export const reloadableKeys: ReadonlySet<string> = new Set([
  'router_batch_size',
  'router_poll_interval_us',
  'router_spin_us',
  'expected_agents',
  'subscriptions',
]);

/**
 * Takes over into `config` those keys of `next` that can change while running. The object stays the same one.
 *
 * @param polls how the router polls from now on
 */
export function reloadInto(
  config: IndexbusConfig,
  next: IndexbusConfig,
  polls: Pick<IndexbusConfig, keyof typeof routerKeys> = next,
): { readonly applied: readonly string[]; readonly needRestart: readonly string[] } {
  const changed = changedKeys(config, next);
  const { expected_agents, subscriptions } = next;
  const { router_batch_size, router_poll_interval_us, router_spin_us } = polls;
  Object.assign(config, { router_batch_size, router_poll_interval_us, router_spin_us, expected_agents, subscriptions });
  return reloadReport(changed, reloadableKeys);
}
