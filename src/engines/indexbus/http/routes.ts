import { z } from 'zod';
import type { Route } from '../../route.ts';
import type { BusNode } from '../busNode.ts';
import type { ChangeRouter } from '../commands.ts';
import { laneKeys, rollSchema, routerKeys } from '../config.ts';
import { type RunbookCounter, runbookCounters } from '../counters.ts';
import { LoopStat } from '../loopStats.ts';
import { seatPlace } from '../seatPlaces.ts';
import type { Serving } from '../serving.ts';
import { readTopics } from '../topics.ts';
import { laneView, producerView, recentTopics, seatState, segmentView } from '../views.ts';
import { agentRoutes } from './agents.ts';
import { answering, bodyOf, changesOf, ok, unknown } from './answer.ts';
import { bottleneckOf } from './bottleneck.ts';
import { healthRoutes } from './health.ts';
import { segmentOf, takerOf } from './named.ts';
import { subscriptionRoutes } from './subscriptions.ts';

const laneBody = z.strictObject({
  lane: laneKeys.lane.optional(),
  drop: laneKeys.drop.optional(),
  capacity: laneKeys.capacity.optional(),
  credit_limit: laneKeys.credit_limit.optional(),
  detach_after_ms: laneKeys.detach_after_ms.optional(),
});
const producerBody = z.strictObject({
  credit_limit: z.union([z.literal('none'), z.int().min(1).max(1_048_576)]).optional(),
  rate_limit: z
    .union([z.literal('none'), z.int().min(1).max(1_000_000_000)])
    .optional()
    .describe('messages a second'),
});
const routerBody = z.strictObject({
  router_batch_size: routerKeys.router_batch_size.optional(),
  router_poll_interval_us: routerKeys.router_poll_interval_us.optional(),
  router_spin_us: routerKeys.router_spin_us.optional(),
});
const nothing = z.strictObject({});

const S = '/v1/segments/{segment}';

/** `none` as the commands write it. */
function orZero(limit: number | 'none'): number {
  return limit === 'none' ? 0 : limit;
}

/** Every HTTP route of a router. */
export function routerRoutes(node: BusNode): readonly Route[] {
  const { registry } = node.host.telemetry;
  const directory = {
    agents: () => node.agents(),
    controlPlane: () => node.controlPlane(),
    own: { environment: node.config.environment, region: node.config.region },
  };
  return [
    ...healthRoutes(node, registry),
    ...agentRoutes(directory),
    ...segmentRoutes(node),
    ...seatRoutes(node),
    ...subscriptionRoutes(node),
    ...operatorRoutes(node),
  ].map(answering);
}

/** A seat of a path: its number, or the name of whoever has it. @throws Refusal 404 */
function seatOf(serving: Serving, kind: 'producer' | 'consumer', text = ''): number {
  const { layout } = serving.segment;
  const count = kind === 'producer' ? layout.sizes.producers : layout.sizes.lanes;
  const names: string[] = [];
  for (let seat = 0; seat < count; seat += 1) {
    const place = seatPlace(layout, kind, seat);
    if (seatState(serving.segment, place) === 'free') continue;
    const { name } = kind === 'producer' ? producerView(serving, seat, {}) : laneView(serving, seat, {}, 0);
    if (text === String(seat) || text === name) return seat;
    names.push(name === '' ? String(seat) : `${seat} (${name})`);
  }
  throw unknown(kind === 'producer' ? 'producer' : 'lane', text, names);
}

function segmentRoutes(node: BusNode): readonly Route[] {
  const get = (path: string, summary: string, answer: (serving: Serving) => unknown): Route => ({
    method: 'GET',
    path,
    summary,
    role: 'read',
    handler: async ({ parameters }) => ok(answer(segmentOf(node, parameters.segment))),
  });
  return [
    {
      method: 'GET',
      path: '/v1/segments',
      summary: 'The segments of this router.',
      role: 'read',
      handler: async () => {
        const { serving } = node;
        const { segment } = node.config;
        return ok([serving === undefined ? { segment: segment.name, state: 'standby' } : segmentView(serving)]);
      },
    },
    get(S, 'A segment: sizes, epochs, seats.', segmentView),
    get(`${S}/counters`, "The runbook's counters, a second and in all, and the depth of all queues.", countersView),
    get(`${S}/bottleneck`, 'Which side is the bottleneck, by what evidence, and what to do next.', (serving) =>
      bottleneckOf(node, serving),
    ),
    get(`${S}/tuning`, 'What was asked of the machine, what it gave, and why they differ.', ({ tuning }) => tuning),
    {
      method: 'GET',
      path: `${S}/topics`,
      summary: 'The topics, by number.',
      role: 'read',
      handler: async ({ parameters }) => {
        const { segment } = await takerOf(node, parameters.segment);
        return ok([...readTopics(segment.region, segment.layout)].map(([name, number]) => ({ name, number })));
      },
    },
  ];
}

function countersView({ counters, loops, busyRatio }: Serving) {
  const rates = counters.rates();
  const totals = counters.totals();
  const each = (suffix: string, of: (name: RunbookCounter) => number) =>
    Object.fromEntries(runbookCounters.map((name) => [`${name}${suffix}`, of(name)]));
  return {
    ...each('/sec', (name) => Math.round(rates[name] * 10) / 10),
    qdepth: counters.queueDepth,
    ...each('_total', (name) => totals[name]),
    polls_total: loops().values[LoopStat.polls] ?? 0,
    router_busy_ratio: busyRatio,
    age_ms: counters.ageMs,
  };
}

function seatRoutes(node: BusNode): readonly Route[] {
  const taken = (serving: Serving, kind: 'producer' | 'consumer') => {
    const { layout } = serving.segment;
    const count = kind === 'producer' ? layout.sizes.producers : layout.sizes.lanes;
    return Array.from({ length: count }, (_, seat) => seat).filter(
      (seat) => seatState(serving.segment, seatPlace(layout, kind, seat)) !== 'free',
    );
  };
  const lane = (serving: Serving, number: number) => laneView(serving, number, node.services, node.host.clock.now());
  return [
    {
      method: 'GET',
      path: `${S}/lanes`,
      summary: 'The lanes that somebody has: process, depth, age, mode, limits, verdict.',
      role: 'read',
      handler: async ({ parameters }) => {
        const serving = segmentOf(node, parameters.segment);
        return ok(taken(serving, 'consumer').map((number) => lane(serving, number)));
      },
    },
    {
      method: 'GET',
      path: `${S}/producers`,
      summary: 'The producers that there are: process, depth, slots, limits, verdict.',
      role: 'read',
      handler: async ({ parameters }) => {
        const serving = segmentOf(node, parameters.segment);
        const view = (seat: number) => ({
          ...producerView(serving, seat, node.services),
          recent_topics: recentTopics(serving, seat),
        });
        return ok(taken(serving, 'producer').map(view));
      },
    },
    {
      method: 'PATCH',
      path: `${S}/lanes/{lane}`,
      summary: 'Changes a lane while it lives; later messages feel it.',
      role: 'admin',
      schema: { body: laneBody },
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        const number = seatOf(serving, 'consumer', request.parameters.lane);
        const body = changesOf(request, laneBody);
        await serving.runner.apply({
          do: 'change-lane',
          lane: number,
          change: {
            ...(body.lane === undefined ? {} : { lane: body.lane }),
            ...(body.drop === undefined ? {} : { drop: body.drop }),
            ...(body.capacity === undefined ? {} : { capacity: body.capacity }),
            ...(body.credit_limit === undefined ? {} : { creditLimit: orZero(body.credit_limit) }),
            ...(body.detach_after_ms === undefined ? {} : { detachAfterMs: orZero(body.detach_after_ms) }),
          },
        });
        return ok(lane(serving, number));
      },
    },
    {
      method: 'POST',
      path: `${S}/lanes/{lane}/detach`,
      summary: 'Takes the lane from its consumer, which gets IB_FENCED. Done when the seat says so.',
      role: 'admin',
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        const number = seatOf(serving, 'consumer', request.parameters.lane);
        bodyOf(request, nothing);
        await serving.runner.apply({ do: 'detach-lane', lane: number, reason: 'operator' });
        return ok(lane(serving, number), 202);
      },
    },
    {
      method: 'PATCH',
      path: `${S}/producers/{seat}`,
      summary: 'Limits a producer: messages under way, messages a second; "none" lifts a limit.',
      role: 'admin',
      schema: { body: producerBody },
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        const seat = seatOf(serving, 'producer', request.parameters.seat);
        const body = changesOf(request, producerBody);
        await serving.runner.apply({
          do: 'change-producer',
          seat,
          ...(body.credit_limit === undefined ? {} : { creditLimit: orZero(body.credit_limit) }),
          ...(body.rate_limit === undefined ? {} : { rateLimit: orZero(body.rate_limit) }),
        });
        return ok(producerView(serving, seat, node.services));
      },
    },
    {
      method: 'POST',
      path: `${S}/producers/{seat}/fence`,
      summary: 'Takes the seat from its producer, which gets IB_FENCED. What it flushed before is routed.',
      role: 'admin',
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        const seat = seatOf(serving, 'producer', request.parameters.seat);
        bodyOf(request, nothing);
        await serving.runner.apply({ do: 'fence-producer', seat });
        return ok(producerView(serving, seat, node.services), 202);
      },
    },
  ];
}

function operatorRoutes(node: BusNode): readonly Route[] {
  return [
    {
      method: 'PATCH',
      path: `${S}/router`,
      summary: 'Changes how the router polls, until its next start.',
      role: 'admin',
      schema: { body: routerBody },
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        const body = changesOf(request, routerBody);
        if (body.router_spin_us !== undefined) node.config.router_spin_us = body.router_spin_us;
        const command: ChangeRouter = {
          do: 'change-router',
          ...(body.router_batch_size === undefined ? {} : { batchSize: body.router_batch_size }),
          ...(body.router_poll_interval_us === undefined ? {} : { pollIntervalUs: body.router_poll_interval_us }),
          ...(body.router_spin_us === undefined ? {} : { spinUs: node.spinUs }),
        };
        await node.changeRouter(serving, command);
        Object.assign(node.config, body);
        const { router_batch_size, router_poll_interval_us, router_spin_us } = node.config;
        return ok({ router_batch_size, router_poll_interval_us, router_spin_us });
      },
    },
    {
      method: 'POST',
      path: `${S}/roll`,
      summary:
        'Builds the next generation of the segment with new sizes; participants move there. Done when it says so.',
      role: 'admin',
      schema: { body: rollSchema },
      handler: async (request) => {
        segmentOf(node, request.parameters.segment);
        return ok(await node.roll(bodyOf(request, rollSchema)), 202);
      },
    },
    {
      method: 'GET',
      path: `${S}/roll`,
      summary: 'The roll that is under way: whom it waits for, since when, and what they have left; null for none.',
      role: 'read',
      handler: async ({ parameters }) => {
        segmentOf(node, parameters.segment);
        return ok(node.rolling() ?? null);
      },
    },
    {
      method: 'POST',
      path: `${S}/router/drain`,
      summary: 'Takes no more participants, and ends the process when all queues are empty.',
      role: 'admin',
      handler: async (request) => {
        const serving = segmentOf(node, request.parameters.segment);
        bodyOf(request, nothing);
        await node.drainForGood();
        return ok(segmentView(serving), 202);
      },
    },
  ];
}
