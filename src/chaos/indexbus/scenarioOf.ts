import { shareMin } from '../../engines/indexbus/admission.ts';
import type { ScenarioDocument } from '../definition.ts';
import type { FaultDraw } from '../faultDraw.ts';
import { choose, type LaterStep, type Step, scale } from '../faultMenu.ts';
import { complete } from './complete.ts';
import type { AccessDraw, IndexBusDraw, LateFlushDraw, SubscriptionDraw } from './draw.ts';
import { type Cast, fault, request } from './menu/entry.ts';
import { entryNamed } from './menu/menu.ts';
import { stoppedBefore } from './menu/reshaping.ts';

/** Times of a run, in virtual milliseconds: everybody attaches, it is turbulent, the last faults end. */
const turbulentFromMs = 1_000;
const turbulentToMs = 7_000;
const endMs = 9_000;

/** A consumer whose subscription is read in another way from now on dies by then, and is back so much later. */
const diesAfterMostMs = 1_500;
const backAfterMs = 400;

/** How long a producer may take to leave: one that hangs is killed within the run. */
const grace = '--grace-period=1';

/** Places of a lane where rings are tight: a power of two, as each drawn capacity below it is. */
const tightCapacity = 4;

/** Capacities and batches that operators of the menu set, at the most. */
const operatorsMost = 64;

/** Messages a second of a producer that sends little. */
const littleRate = 2;

/** Ways to publish, of producers that have each its own. */
const ways = ['in place', 'bytes', 'words'] as const;

/** The scenario of a draw, completed. */
export function scenarioOf(draw: IndexBusDraw): ScenarioDocument {
  const nodes = nodesOf(draw);
  const completed = complete({
    engine: 'indexbus',
    seed: draw.seed,
    cluster: { nodes: nodes.length, devices: { machines: [nodes] }, config: configOf(draw) },
    duration: `${endMs}ms`,
    buggify: true,
    load: loadOf(draw),
    timeline: timelineOf(draw),
  });
  if (completed === undefined) throw new Error('a drawn run of which nothing can be demanded');
  return completed;
}

function nodesOf({ routers }: IndexBusDraw): readonly string[] {
  return Array.from({ length: routers }, (_, index) => `indexbus-${index + 1}`);
}

function timelineOf(draw: IndexBusDraw): readonly Step[] {
  const load = loadOf(draw);
  const cast: Cast = {
    nodes: nodesOf(draw),
    producers: Object.keys(load.producers),
    consumers: Object.keys(load.consumers),
    groups: groupsOf(draw),
    subscriptions: draw.subscriptions.map((_, index) => subscriptionName(index)),
    holds: noSubscriberOf(draw) === 'hold',
  };
  return [
    ...draw.faults.flatMap((fault) => timed(fault, faultSteps(fault, cast, draw.stoppedAtRolls))),
    ...draw.accesses.flatMap((access) => timed(access, accessSteps(access, draw))),
    ...(draw.lateFlush === undefined ? [] : lateFlushSteps(draw.lateFlush, cast)),
  ]
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, step }) => ({ at: `${atMs}ms`, ...step }));
}

/** Consumers of the subscriptions that are groups and block, where one is, and of these of those with order between its lanes; else of all. */
function groupsOf(draw: IndexBusDraw): readonly (readonly string[])[] {
  const { consumers } = loadOf(draw);
  const groups = draw.subscriptions.map((drawn, index) => ({
    waits: isGroup(drawn) && blocks(drawn),
    isOrdered: drawn.mode === 'keyed' && drawn.consumers > 1,
    names: Object.keys(consumers).filter((name) => consumers[name]?.subscription === subscriptionName(index)),
  }));
  const waiting = groups.filter(({ waits }) => waits);
  const ordered = waiting.filter(({ isOrdered }) => isOrdered);
  const chosen = [ordered, waiting, groups].find(({ length }) => length > 0) ?? [];
  return chosen.map(({ names }) => names);
}

function faultSteps(fault: FaultDraw, cast: Cast, stoppedAtRolls: boolean): readonly LaterStep[] {
  const before = stoppedAtRolls && fault.entry === 'roll' ? stoppedBefore(fault, cast) : [];
  return [...before, ...entryNamed(fault.entry).steps(fault, cast)];
}

/** Who leaves, or moves amid a roll, has sent much just before. */
function lateFlushSteps({ leaves, rollAt }: LateFlushDraw, { producers }: Cast) {
  const spike = { afterMs: -60, step: { fault: 'load.spike', duration: 120, with: { factor: 10 } } };
  const roll = { afterMs: 0, step: request('POST', '/roll', {}) };
  return [
    ...leaves.flatMap((leave) =>
      timed(leave, [
        spike,
        { afterMs: 0, step: { operator: `kubectl delete pod ${choose(leave.where, producers)} ${grace}` } },
      ]),
    ),
    ...timed({ at: rollAt }, [spike, roll]),
  ];
}

function timed(
  { at }: { readonly at: number },
  steps: readonly LaterStep[],
): { readonly atMs: number; readonly step: Step }[] {
  const base = turbulentFromMs + ((turbulentToMs - turbulentFromMs) * at) / 1_000;
  return steps.map(({ afterMs, step }) => ({ atMs: Math.min(endMs - 1, Math.round(base + afterMs)), step }));
}

/** Its lanes block from then on, as at least once needs it: no lane that drops has a smaller share of the pools for it. */
function accessSteps({ where, diesAfter, byView }: AccessDraw, draw: IndexBusDraw): readonly LaterStep[] {
  const drawn = choose(where, draw.subscriptions);
  const index = draw.subscriptions.indexOf(drawn);
  const terms = { ...drawn, blocking: true, oldest: false, view: byView, atLeastOnce: byView };
  const { name, ...body } = subscriptionOf(terms, index, isTight(draw) ? tightCapacity : drawn.capacity);
  const all = Object.entries(loadOf(draw).consumers);
  const consumers = all.filter(([, { subscription }]) => subscription === name);
  const [dies] = choose(where, consumers);
  // What a lane that blocked keeps waits for its next consumer, and a router that takes over declares it as one that drops again: it must find room as such.
  if (slotsOf(draw) - 2 * draw.sizes.batch < shareMin * all.length) return [];
  return [
    { afterMs: 0, step: request('PUT', `/subscriptions/${name}`, body) },
    { afterMs: scale(diesAfter, 0, diesAfterMostMs), step: fault('process.kill', dies, {}, { restart: backAfterMs }) },
  ];
}

function configOf(draw: IndexBusDraw): Record<string, unknown> {
  const { sizes, subscriptions } = draw;
  return {
    // Whichever comes first routes, the others wait.
    standby: true,
    slots_per_producer: slotsOf(draw),
    lane_ring: isTight(draw)
      ? 2 * Math.max(...subscriptions.map(({ capacity }) => Math.min(tightCapacity, capacity)))
      : 2 ** sizes.ringLog2,
    router_batch_size: sizes.batch,
    router_poll_interval_us: sizes.pollUs,
    liveness_check_ms: 200,
    producers_max: 8,
    ...lanesOf(draw),
    no_subscriber: noSubscriberOf(draw),
    subscriptions: subscriptions.map((drawn, index) =>
      subscriptionOf(drawn, index, isTight(draw) ? tightCapacity : drawn.capacity),
    ),
  };
}

/** Also where a fault is about rings that a batch goes round in. */
function isTight({ sizes, faults }: IndexBusDraw): boolean {
  return sizes.tight || faults.some(({ entry }) => entryNamed(entry).needsTightRings === true);
}

/** One seat too few only where a subscription without a consumer holds up nobody. */
function lanesOf(draw: IndexBusDraw): Record<string, number> {
  if (draw.sizes.seats === 'many') return {};
  const consumers = draw.subscriptions.reduce((sum, subscription) => sum + subscription.consumers, 0);
  const isShort = draw.sizes.seats === 'short' && noSubscriberOf(draw) === 'drop';
  return { lanes_max: Math.max(1, isShort ? consumers - 1 : consumers) };
}

/** More than two batches, and something beside them. */
function slotsOf({ sizes }: IndexBusDraw): number {
  return Math.max(2 ** sizes.slotsLog2, 4 * sizes.batch);
}

/** Messages that nobody wants are held only where there is room for every lane to join, whatever operators change: else they wait for ever. */
function noSubscriberOf(draw: IndexBusDraw): 'drop' | 'hold' {
  let lanes = 0;
  for (const { view, capacity, consumers } of draw.subscriptions) {
    lanes += consumers * (view ? Math.max(capacity, operatorsMost) : shareMin);
  }
  const batches = 2 * Math.max(draw.sizes.batch, operatorsMost);
  return batches + lanes <= slotsOf(draw) ? draw.noSubscriber : 'drop';
}

function subscriptionName(index: number): string {
  return `s${index + 1}`;
}

function isGroup({ mode }: SubscriptionDraw): boolean {
  return mode !== 'broadcast';
}

function isAtLeastOnce(drawn: SubscriptionDraw): boolean {
  return drawn.atLeastOnce && isGroup(drawn) && drawn.view;
}

function blocks(drawn: SubscriptionDraw): boolean {
  return drawn.blocking || isAtLeastOnce(drawn);
}

function subscriptionOf(drawn: SubscriptionDraw, index: number, capacityMax: number) {
  const capacity = Math.min(drawn.capacity, capacityMax);
  return {
    name: subscriptionName(index),
    topics: drawn.topics,
    mode: drawn.mode,
    lane: blocks(drawn) ? 'blocking' : 'nonblocking',
    drop: drawn.oldest && !drawn.view ? 'oldest' : 'newest',
    capacity,
    credit_limit: drawn.credit === 0 ? 'none' : Math.max(1, Math.floor((capacity * drawn.credit) / 10)),
    balance: drawn.leastDepth ? 'least_depth' : 'round_robin',
    detach_after_ms: drawn.detachMs === 0 ? 'none' : drawn.detachMs,
    delivery: isAtLeastOnce(drawn) ? 'at_least_once' : 'at_most_once',
    access: drawn.view ? 'view' : 'copy',
  };
}

function loadOf(draw: IndexBusDraw) {
  const { load, subscriptions, lateFlush } = draw;
  const { publish, checked, acks, hasty } = load;
  const given = { ...(checked ? { checked } : {}), ...(hasty === 0 ? {} : { hasty }) };
  const consumers: Record<string, { subscription: string; service: number; acks?: boolean }> = {};
  subscriptions.forEach(({ consumers: count, serviceUs }, index) => {
    for (let number = 0; number < count; number += 1) {
      consumers[`c${Object.keys(consumers).length + 1}`] = {
        subscription: subscriptionName(index),
        service: serviceUs / 1_000,
        ...(acks ? { acks } : {}),
        ...given,
      };
    }
  });
  const producers = Object.fromEntries(
    Array.from({ length: load.producers }, (_, index) => {
      const how = publish === 'mixed' ? ways[index % ways.length] : publish;
      return [
        `p${index + 1}`,
        {
          ...(load.uneven && index > 0 ? { rate: littleRate } : {}),
          ...(how === 'words' ? {} : { publish: how }),
          ...given,
          ...(lateFlush === undefined ? {} : { 'flush after': lateFlush.afterMs }),
        },
      ] as const;
    }),
  );
  return {
    consumers,
    producers,
    rate: load.rate,
    every: load.everyMs,
    ...(load.burstMs === 0 ? {} : { burst: { every: load.burstMs, messages: load.burst } }),
    // Where messages that nobody wants are held, each topic has to have somebody.
    topics: [
      ...new Set(subscriptions.flatMap(({ topics }) => topics)),
      ...(load.nobody && noSubscriberOf(draw) === 'drop' ? ['nobody'] : []),
    ],
    keys: load.keys,
    'hot key': load.hotKey,
    bytes: load.bytes,
  };
}
