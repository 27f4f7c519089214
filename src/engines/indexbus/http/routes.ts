import { z } from 'zod';
import type { Route } from '../../route.ts';
import type { BusNode } from '../busNode.ts';
import { rollSchema, routerKeys } from '../config.ts';
import { type RunbookCounter, runbookCounters } from '../counters.ts';
import { LoopStat } from '../loopStats.ts';
import type { Serving } from '../serving.ts';
import { readTopics } from '../topics.ts';
import { segmentView } from '../views.ts';
import { agentRoutes } from './agents.ts';
import { answering, bodyOf, changesOf, ok } from './answer.ts';
import { bottleneckOf } from './bottleneck.ts';
import { healthRoutes } from './health.ts';
import { segmentOf, takerOf } from './named.ts';
import { seatRoutes } from './seats.ts';
import { subscriptionRoutes } from './subscriptions.ts';

const routerBody = z.strictObject({
  router_batch_size: routerKeys.router_batch_size.optional(),
  router_poll_interval_us: routerKeys.router_poll_interval_us.optional(),
  router_spin_us: routerKeys.router_spin_us.optional(),
});
const nothing = z.strictObject({});

const S = '/v1/segments/{segment}';

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
    get(`${S}/counters`, "The runbook's counters, a second and in all, and the depth of all queues.", (serving) =>
      countersView(serving, node.queueDepth),
    ),
    get(`${S}/bottleneck`, 'Which side is the bottleneck, by what evidence, and what to do next.', () =>
      bottleneckOf(node),
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

function countersView({ counters, loops, busyRatio }: Serving, qdepth: number) {
  const rates = counters.rates();
  const totals = counters.totals();
  const each = (suffix: string, of: (name: RunbookCounter) => number) =>
    Object.fromEntries(runbookCounters.map((name) => [`${name}${suffix}`, of(name)]));
  return {
    ...each('/sec', (name) => Math.round(rates[name] * 10) / 10),
    qdepth,
    ...each('_total', (name) => totals[name]),
    polls_total: loops().values[LoopStat.polls] ?? 0,
    router_busy_ratio: busyRatio,
    age_ms: counters.ageMs,
  };
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
        await node.changeRouter(serving, body);
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
