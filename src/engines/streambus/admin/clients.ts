import { z } from 'zod';
import { isoTime } from '../../isoTime.ts';
import type { GroupCoordinator, GroupDescription } from '../groups/coordinator.ts';
import { partitionsOfAssignment } from '../groups/deletion.ts';
import { AdminRefusal, type AdminRoute, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { forwardTo } from './forward.ts';

/** How far a group is in a partition. */
interface Progress {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing was committed. */
  readonly committed: number | null;
  /** Null: no member reads it. */
  readonly member: string | null;
}

const slowQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100_000).optional(),
  sort: z.enum(['time', 'duration']).default('time'),
  api: z.string().optional(),
});

/** What clients do here: slow requests, consumer groups, transactions. */
export function clientRoutes(context: AdminContext): readonly AdminRoute[] {
  const { services } = context;
  const { metadata } = services;

  /** Asks the leader of every shard of a kind for its part of a list, and puts them together. */
  async function everyShard(
    kind: 'groups' | 'transactions',
    path: string,
    ask: (shard: number) => Promise<readonly unknown[] | undefined>,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly items: readonly unknown[]; readonly missing: readonly string[] }> {
    const parts = await Promise.all(
      metadata.shards
        .filter((shard) => shard.kind === kind)
        .map(async ({ group }) => {
          const own = await ask(group);
          if (own !== undefined) return { group, items: own };
          const leader = services.leaderOf(group)?.broker;
          if (leader === undefined || leader === services.broker) return { group, items: undefined };
          try {
            const request = {
              method: 'GET',
              path,
              query: { ...query, shard: String(group) },
              body: new Uint8Array(0),
            } as const;
            const { status, body } = await forwardTo(context, leader, request, signal);
            const items = (body as { readonly [key: string]: unknown })[kind]; // what `path` answers
            return { group, items: status === 200 && Array.isArray(items) ? (items as readonly unknown[]) : undefined };
          } catch (error) {
            if (error instanceof AdminRefusal) return { group, items: undefined };
            throw error;
          }
        }),
    );
    return {
      items: parts.flatMap(({ items }) => items ?? []),
      missing: parts.filter(({ items }) => items === undefined).map(({ group }) => `${kind}-${group}`),
    };
  }

  const shardQuery = z.strictObject({ shard: z.coerce.number().int().optional() });
  /** `group`: only this one, with what it has committed. */
  const groupQuery = shardQuery.extend({ group: z.string().optional() });

  /** What a group has committed by partition, and who of its members reads it; undefined: not known now. */
  async function progressOf(coordinator: GroupCoordinator, { groupId, protocolType, members }: GroupDescription) {
    const fetched = await coordinator.fetchOffsets({ groupId, partitions: undefined, requireStable: false });
    if (fetched.errorCode !== 0) return undefined;
    const rows = new Map<string, Progress>();
    for (const { topic, partition, offset } of fetched.offsets) {
      rows.set(`${topic}/${partition}`, { topic, partition, committed: offset, member: null });
    }
    for (const { memberId, assignment } of protocolType === 'consumer' ? members : []) {
      for (const { topic, partition } of partitionsOfAssignment(assignment) ?? []) {
        const key = `${topic}/${partition}`;
        rows.set(key, { topic, partition, committed: rows.get(key)?.committed ?? null, member: memberId });
      }
    }
    return [...rows.values()].sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    );
  }

  async function groupsOf(shard: number, only: string | undefined): Promise<readonly unknown[] | undefined> {
    const coordinator = services.groupCoordinator(shard);
    if (coordinator === undefined || services.group(shard)?.serving !== true) return undefined;
    const listed = await coordinator.list();
    if (listed.errorCode !== 0) return undefined;
    return Promise.all(
      listed.groups
        .filter(({ groupId }) => only === undefined || groupId === only)
        .map(async ({ groupId, protocolType, state }) => {
          const description = await coordinator.describe(groupId);
          const { members, generationId, protocolName } = description;
          return {
            group: groupId,
            state,
            protocol_type: protocolType,
            protocol: protocolName,
            generation: generationId,
            coordinator: services.broker,
            members: members.map(({ memberId, clientId, clientHost }) => ({
              member: memberId,
              client_id: clientId,
              host: clientHost,
            })),
            ...(only === undefined ? {} : { partitions: (await progressOf(coordinator, description)) ?? null }),
          };
        }),
    );
  }

  async function transactionsOf(shard: number): Promise<readonly unknown[] | undefined> {
    const coordinator = services.transactionCoordinator(shard);
    if (coordinator === undefined || services.group(shard)?.serving !== true) return undefined;
    const listed = await coordinator.list();
    if (listed.errorCode !== 0) return undefined;
    return listed.transactions.map((transaction) => ({
      transactional_id: transaction.transactionalId,
      producer_id: transaction.producerId,
      producer_epoch: transaction.producerEpoch,
      state: transaction.state,
      timeout_ms: transaction.timeoutMs,
      started: transaction.startedWallMs < 0 ? null : isoTime(transaction.startedWallMs),
      partitions: transaction.partitions.map(({ topic, partition }) => `${topic}/${partition}`),
      coordinator: services.broker,
    }));
  }

  const listed = (
    kind: 'groups' | 'transactions',
    of: (shard: number, only: string | undefined) => Promise<readonly unknown[] | undefined>,
  ): AdminRoute => ({
    method: 'GET',
    path: `/admin/${kind}`,
    needs: 'quorum',
    summary:
      kind === 'groups'
        ? 'Consumer groups with their members; ?group= shows one, with what it has committed by partition.'
        : 'Transactional ids and their transactions.',
    role: 'read',
    schema: { query: kind === 'groups' ? groupQuery : shardQuery },
    handler: async (request) => {
      const { shard, group = undefined } =
        kind === 'groups' ? queryOf(request, groupQuery) : { ...queryOf(request, shardQuery), group: undefined };
      if (shard !== undefined) {
        const items = await of(shard, group);
        if (items === undefined)
          throw new AdminRefusal(409, 'NOT_LEADER', `this broker does not lead ${kind}-${shard}`);
        return ok({ [kind]: items, unavailable: [] });
      }
      const { items, missing } = await everyShard(
        kind,
        `/admin/${kind}`,
        (id) => of(id, group),
        group === undefined ? {} : { group },
        request.signal,
      );
      // While a shard does not answer, nobody knows whether the group is there.
      if (group !== undefined && items.length === 0 && missing.length === 0) {
        throw new AdminRefusal(
          404,
          'UNKNOWN_GROUP',
          `there is no consumer group ${group}`,
          'GET /admin/groups shows those that there are',
        );
      }
      return ok({ [kind]: items, unavailable: missing });
    },
  });

  return [
    {
      method: 'GET',
      path: '/admin/slow-queries',
      summary: 'The last requests of this broker that took longer than slow_query.threshold, newest first.',
      role: 'read',
      schema: { query: slowQuery },
      handler: async (request) => {
        const { limit, sort, api } = queryOf(request, slowQuery);
        const entries = context
          .slowQueries()
          .filter((entry) => api === undefined || entry.api.toLowerCase() === api.toLowerCase());
        const sorted =
          sort === 'duration' ? [...entries].sort((left, right) => right.duration_ms - left.duration_ms) : entries;
        return ok(sorted.slice(0, limit));
      },
    },
    listed('groups', groupsOf),
    listed('transactions', transactionsOf),
  ];
}
