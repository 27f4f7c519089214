import { z } from 'zod';
import type { Route } from '../../route.ts';
import type { BusNode } from '../busNode.ts';
import { bodyOfSubscription, subscriptionBody, subscriptionNames, subscriptionOf } from '../config.ts';
import { BusError } from '../errors.ts';
import { subscriptionsMax } from '../layout.ts';
import { isTopicName } from '../patterns.ts';
import type { Routed } from '../rolling.ts';
import { findSubscription, readSubscription } from '../subscriptions.ts';
import { readTopics } from '../topics.ts';
import { bodyOf, ok, Refusal, unknown } from './answer.ts';
import { takerOf } from './named.ts';

const S = '/v1/segments/{segment}';
const topicBody = z.strictObject({ name: z.string() });

/** What routes are made of: subscriptions and topics. While a segment is rolled they are those of its next generation, to which everybody comes. */
export function subscriptionRoutes(node: BusNode): readonly Route[] {
  const names = ({ segment }: Routed) =>
    Array.from({ length: subscriptionsMax }, (_, record) => readSubscription(segment.region, segment.layout, record))
      .flatMap((stored) => (stored === undefined ? [] : [stored.subscription.name]))
      .sort();
  const existing = (taker: Routed, name: string) => {
    const known = findSubscription(taker.segment, name);
    if (known === undefined) throw unknown('subscription', name, names(taker));
    return bodyOfSubscription(known);
  };
  return [
    {
      method: 'GET',
      path: `${S}/subscriptions`,
      summary: 'The subscriptions.',
      role: 'read',
      handler: async ({ parameters }) => {
        const taker = await takerOf(node, parameters.segment);
        return ok(names(taker).map((name) => existing(taker, name)));
      },
    },
    {
      method: 'GET',
      path: `${S}/subscriptions/{name}`,
      summary: 'One subscription.',
      role: 'read',
      handler: async ({ parameters }) => ok(existing(await takerOf(node, parameters.segment), parameters.name ?? '')),
    },
    {
      method: 'PUT',
      path: `${S}/subscriptions/{name}`,
      summary: 'Makes a subscription (201) or changes it (200): lanes that join later feel it.',
      role: 'admin',
      schema: { body: subscriptionBody },
      handler: async (request) => {
        const taker = await takerOf(node, request.parameters.segment);
        const { name = '' } = request.parameters;
        const parsed = subscriptionNames.safeParse(name);
        if (!parsed.success) throw new Refusal(422, 'IB_BAD_CONFIG', `name: ${parsed.error.issues[0]?.message}`);
        const isNew = findSubscription(taker.segment, name) === undefined;
        const { laneRing } = taker.segment.layout.sizes;
        const subscription = subscriptionOf(name, bodyOf(request, subscriptionBody), laneRing);
        await taker.runner.apply({ do: 'put-subscription', subscription });
        return ok(existing(taker, name), isNew ? 201 : 200);
      },
    },
    {
      method: 'DELETE',
      path: `${S}/subscriptions/{name}`,
      summary: 'Deletes a subscription without consumers.',
      role: 'admin',
      handler: async ({ parameters }) => {
        const taker = await takerOf(node, parameters.segment);
        existing(taker, parameters.name ?? '');
        await taker.runner.apply({ do: 'delete-subscription', name: parameters.name ?? '' });
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${S}/topics`,
      summary: 'Makes a topic; 201 also if it is there.',
      role: 'admin',
      schema: { body: topicBody },
      handler: async (request) => {
        const taker = await takerOf(node, request.parameters.segment);
        const { name } = bodyOf(request, topicBody);
        if (!isTopicName(name)) {
          throw new BusError('IB_BAD_CONFIG', `${JSON.stringify(name)} is no name of a topic`, {
            expected: '1 to 64 characters: letters, digits, _ and -, in parts that dots join',
            got: JSON.stringify(name),
          });
        }
        await taker.runner.apply({ do: 'create-topic', name });
        const { region, layout } = taker.segment;
        return ok({ name, number: readTopics(region, layout).get(name) }, 201);
      },
    },
  ];
}
