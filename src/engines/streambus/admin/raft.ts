import { z } from 'zod';
import { DiskError } from '../../../host/disk.ts';
import type { RouteRequest } from '../../route.ts';
import { MachineClosed, NotProposed } from '../broker/group.ts';
import { type BrokerId, brokerOf, type GroupId, metaGroup } from '../ids.ts';
import { encodeJson } from '../meta/json.ts';
import { AdminRefusal, type AdminRoute, bodyOf, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { brokerNamed, forwardTo } from './forward.ts';
import { reportGroup } from './report.ts';

const groupName = z.union([z.int().min(0), z.string()]).optional();
const groupBody = z.strictObject({ group: groupName });
const groupQuery = z.strictObject({ group: z.string().optional() });
const transferBody = z.strictObject({ group: groupName, to: z.int().min(1) });

/** The group that a name means: `metadata`, a number, `topic/partition`. @throws AdminRefusal 404 UNKNOWN_GROUP */
export function groupNamed({ services }: AdminContext, name: string | number | undefined): GroupId {
  if (name === undefined || name === 'metadata' || name === 'meta') return metaGroup;
  const { metadata } = services;
  const [, topic, partition] = /^(.+)\/(\d+)$/.exec(String(name)) ?? [];
  const found = topic === undefined ? Number(name) : metadata.topics.get(topic)?.partitions[Number(partition)]?.group;
  const exists =
    found !== undefined &&
    (metadata.shards.some(({ group }) => group === found) || metadata.partitionOf(found) !== undefined);
  if (exists) return found;
  throw new AdminRefusal(
    404,
    'UNKNOWN_GROUP',
    `there is no group ${name}`,
    'name it as metadata, a number, or topic/partition',
  );
}

/**
 * The group that a request is about: named in its query, as GET has it, in its body, or in both alike.
 *
 * @throws AdminRefusal 404 UNKNOWN_GROUP, 422 BAD_QUERY where the two name different ones
 */
function groupAsked(context: AdminContext, request: RouteRequest, inBody: string | number | undefined): GroupId {
  const { group: inQuery } = queryOf(request, groupQuery);
  const group = groupNamed(context, inBody ?? inQuery);
  if (inBody === undefined || inQuery === undefined || groupNamed(context, inQuery) === group) return group;
  throw new AdminRefusal(
    422,
    'BAD_QUERY',
    `group: expected the same group as in the body (${inBody}), got ${inQuery}`,
    'name it once',
  );
}

/** The name under which a group is shown. */
export function groupLabel({ services }: AdminContext, group: GroupId): string {
  if (group === metaGroup) return 'metadata';
  const partition = services.metadata.partitionOf(group);
  if (partition !== undefined) return `${partition.topic}/${partition.partition}`;
  const shard = services.metadata.shards.find((other) => other.group === group);
  return `${shard?.kind ?? 'group'}-${group}`;
}

function statusOf(context: AdminContext, group: GroupId): Record<string, unknown> {
  const report = reportGroup(context, group);
  if (report === undefined) {
    throw new AdminRefusal(
      404,
      'NO_REPLICA',
      `broker ${context.services.broker} has no replica of group ${groupLabel(context, group)}`,
      'ask another broker with ?broker=N',
    );
  }
  return {
    group: groupLabel(context, group),
    id: group,
    term: report.term,
    state: report.state,
    mode: report.mode,
    raft_id: report.raftId,
    leader_id: report.leaderId === 0 ? null : report.leaderId,
    leader: report.leaderId === 0 ? null : brokerOf(report.leaderId),
    commit_index: report.commit,
    applied_index: report.applied,
    last_index: report.last,
    voters: report.voters,
    learners: report.learners,
  };
}

/** @throws AdminRefusal 409 for what a group refuses */
function refusedBy(error: unknown): never {
  if (!(error instanceof NotProposed)) throw error;
  if (error.reason === 'transferring') throw new AdminRefusal(409, 'TRANSFER_RUNNING', error.message, 'wait for it');
  throw new AdminRefusal(409, error.reason === 'busy' ? 'NOT_CAUGHT_UP' : 'NOT_LEADER', error.message);
}

/** @throws AdminRefusal 409 for a replica that has no state to keep now, 503 for what the disk refuses: the checkpoint before stays */
function checkpointRefused(error: unknown): never {
  if (error instanceof NotProposed || error instanceof MachineClosed) {
    throw new AdminRefusal(
      409,
      'NOT_CAUGHT_UP',
      error.message,
      'ask again once GET /admin/raft/status tells mode normal',
    );
  }
  if (!(error instanceof DiskError)) throw error;
  throw new AdminRefusal(
    503,
    'DISK_ERROR',
    `the checkpoint could not be written: ${error.message}`,
    'look at the disk',
  );
}

function leaderOf(context: AdminContext, group: GroupId): BrokerId {
  const leader = context.runtime.leaderOf(group)?.broker;
  if (leader !== undefined) return leader;
  throw new AdminRefusal(
    503,
    'NO_LEADER',
    `nobody is known to lead group ${groupLabel(context, group)}`,
    'hotfire streambus check-quorum says which voters are missing',
  );
}

/** Raft groups: what they are, and an operator's wishes. */
export function raftRoutes(context: AdminContext): readonly AdminRoute[] {
  const { runtime, services } = context;
  return [
    {
      method: 'GET',
      path: '/admin/raft/status',
      needs: 'metadata',
      summary: 'State of a group on this broker; of the metadata without ?group.',
      role: 'read',
      schema: { query: groupQuery },
      handler: async (request) => ok(statusOf(context, groupAsked(context, request, undefined))),
    },
    {
      method: 'GET',
      path: '/admin/raft/groups',
      needs: 'metadata',
      summary: 'State of every group with a replica on this broker.',
      role: 'read',
      handler: async () => ok({ groups: [...runtime.all].map(({ spec }) => statusOf(context, spec.group)) }),
    },
    {
      method: 'POST',
      path: '/admin/raft/snapshot',
      needs: 'metadata',
      summary: 'Makes a checkpoint of a group on this broker now.',
      schema: { body: groupBody, query: groupQuery },
      handler: async (request) => {
        const group = groupAsked(context, request, bodyOf(request, groupBody).group);
        statusOf(context, group);
        const { index, term } = await runtime.checkpoint(group).catch(checkpointRefused);
        return ok({ group: groupLabel(context, group), index, term });
      },
    },
    {
      method: 'POST',
      path: '/admin/raft/campaign',
      needs: 'metadata',
      summary: "Has this broker's replica of a group call an election. It loses when it lacks entries.",
      schema: { body: groupBody, query: groupQuery },
      handler: async (request) => {
        const group = groupAsked(context, request, bodyOf(request, groupBody).group);
        statusOf(context, group);
        try {
          runtime.campaign(group);
        } catch (error) {
          refusedBy(error);
        }
        return ok(statusOf(context, group));
      },
    },
    {
      method: 'POST',
      path: '/admin/raft/transfer',
      needs: 'metadata',
      summary: 'Hands the lead of a group to another broker.',
      schema: { body: transferBody, query: groupQuery },
      handler: async (request) => {
        const body = bodyOf(request, transferBody);
        const group = groupAsked(context, request, body.group);
        const to = brokerNamed(context, String(body.to));
        const leader = leaderOf(context, group);
        if (leader !== services.broker) {
          const forwarded = {
            method: 'POST',
            path: '/admin/raft/transfer',
            query: {},
            body: encodeJson({ ...body, group }),
          } as const;
          return forwardTo(context, leader, forwarded, request.signal);
        }
        try {
          await runtime.transfer(group, to);
        } catch (error) {
          if (error instanceof NotProposed) refusedBy(error);
          const reason = error instanceof Error ? error.message : String(error);
          throw new AdminRefusal(409, 'NOT_CAUGHT_UP', reason, 'a broker that has every entry can take the lead');
        }
        return ok(statusOf(context, group));
      },
    },
  ];
}
