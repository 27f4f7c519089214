import type { Registry } from 'prom-client';
import { metricsRoute } from '../../metricsRoute.ts';
import { metaGroup } from '../ids.ts';
import { sizeText } from '../quantities.ts';
import { type AdminRoute, ok } from './answer.ts';
import type { AdminContext } from './context.ts';

type Grade = 'healthy' | 'degraded' | 'unhealthy';

interface Check {
  readonly status: Grade;
  readonly message: string;
}

/** How this broker is, with the reasons. It asks nobody and touches no disk, so it answers while others hang. */
export function checkHealth(context: AdminContext): { readonly status: Grade; readonly checks: Record<string, Check> } {
  const checks: Record<string, Check> = {
    raft: checkRaft(context),
    partitions: checkPartitions(context),
    disk: checkDisk(context),
    writes: checkWrites(context),
    listener: context.isListening()
      ? { status: 'healthy', message: 'takes clients' }
      : { status: 'unhealthy', message: 'takes no clients: the broker starts or stops' },
  };
  const grades = Object.values(checks).map(({ status }) => status);
  const status = grades.includes('unhealthy') ? 'unhealthy' : grades.includes('degraded') ? 'degraded' : 'healthy';
  return { status, checks };
}

function checkRaft({ runtime, waitsFor }: AdminContext): Check {
  const view = runtime.view(metaGroup);
  if (view === undefined) return { status: 'unhealthy', message: waitsFor() ?? 'the metadata is not open yet' };
  const leader = runtime.leaderOf(metaGroup);
  if (leader === undefined || view.leader === 0) {
    return {
      status: 'unhealthy',
      message: 'nobody is known to lead the metadata: no majority of its voters, or an election',
    };
  }
  return { status: 'healthy', message: `broker ${leader.broker} leads the metadata in term ${leader.term}` };
}

function checkPartitions(context: AdminContext): Check {
  const counts = countReplicas(context);
  const { partitions, offline, probation, damaged, underReplicated } = counts;
  const troubles = [
    ...(offline > 0 ? [`${offline} without a leader`] : []),
    ...(probation > 0 ? [`${probation} on probation`] : []),
    ...(damaged > 0 ? [`${damaged} damaged`] : []),
    ...(underReplicated > 0 ? [`${underReplicated} under-replicated`] : []),
  ];
  if (troubles.length === 0) return { status: 'healthy', message: `${partitions} replicas` };
  return { status: 'degraded', message: `of ${partitions} replicas ${troubles.join(', ')}` };
}

/** Replicas of partitions on this broker, by what is wrong with them. */
export function countReplicas({ runtime, services, partition }: AdminContext) {
  let partitions = 0;
  let leaders = 0;
  let offline = 0;
  let probation = 0;
  let damaged = 0;
  let underReplicated = 0;
  for (const { spec } of runtime.all) {
    const view = runtime.view(spec.group);
    if (view === undefined || view.kind !== 'partition') continue;
    partitions += 1;
    if (runtime.leaderOf(spec.group) === undefined) offline += 1;
    if (view.mode === 'probation') probation += 1;
    if ((partition(spec.group)?.damage.length ?? 0) > 0) damaged += 1;
    if (view.status.state !== 'leader') continue;
    leaders += 1;
    const replicas = services.metadata.partitionOf(spec.group)?.replicas.length ?? 0;
    const current = view.status.progress.filter(
      ({ id, isLearner, state, match }) =>
        id === view.status.id ||
        (!isLearner && view.heard.has(id) && state === 'replicate' && match + inSyncEntries >= view.status.lastIndex),
    );
    if (current.length < replicas) underReplicated += 1;
  }
  return { partitions, leaders, offline, probation, damaged, underReplicated };
}

/** See `GroupReport.inSync`. */
const inSyncEntries = 100;

function checkDisk({ disk, services }: AdminContext): Check {
  const space = disk();
  if (space === undefined || space.totalBytes === 0) return { status: 'healthy', message: 'not asked for yet' };
  const share = space.freeBytes / space.totalBytes;
  const message = `${Math.round((1 - share) * 100)} % used, ${sizeText(space.freeBytes)} free`;
  const { read_only_below: low } = services.config.storage;
  return { status: share < low ? 'unhealthy' : share < 2 * low ? 'degraded' : 'healthy', message };
}

function checkWrites({ services }: AdminContext): Check {
  const why = services.readOnly;
  return why === undefined
    ? { status: 'healthy', message: 'taken' }
    : { status: 'degraded', message: `refused: ${why}; reads go on` };
}

/** GET /metrics, /health, /health/ready, /health/live. */
export function healthRoutes(context: AdminContext, registry: Registry): readonly AdminRoute[] {
  return [
    { ...metricsRoute(registry), takesAnyQuery: true },
    {
      method: 'GET',
      path: '/health',
      summary: 'How this broker is, check by check; 503 when it is unhealthy.',
      role: 'none',
      takesAnyQuery: true,
      handler: async () => {
        const health = checkHealth(context);
        return ok(health, health.status === 'unhealthy' ? 503 : 200);
      },
    },
    {
      method: 'GET',
      path: '/health/live',
      isLocal: true,
      summary: '200 while the process answers.',
      role: 'none',
      takesAnyQuery: true,
      handler: async () => ok({ status: 'live' }),
    },
    {
      method: 'GET',
      path: '/health/ready',
      summary: '200 only if this broker takes clients and knows the leader of the metadata.',
      role: 'none',
      takesAnyQuery: true,
      handler: async () => {
        const reasons: string[] = [];
        if (context.isDraining()) reasons.push('the broker is being stopped');
        else if (!context.isListening()) reasons.push('the Kafka listener is not open');
        const raft = checkRaft(context);
        if (raft.status !== 'healthy') reasons.push(raft.message);
        return reasons.length === 0 ? ok({ status: 'ready' }) : ok({ status: 'not_ready', reasons }, 503);
      },
    },
  ];
}
