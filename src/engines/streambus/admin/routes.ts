import type { Route } from '../../route.ts';
import { clientRoutes } from './clients.ts';
import { clusterRoutes } from './cluster.ts';
import type { AdminContext } from './context.ts';
import { finishRoutes } from './forward.ts';
import { healthRoutes } from './health.ts';
import { jobRoutes } from './jobRoutes.ts';
import { limitRoutes } from './limits.ts';
import { machineRoutes } from './machine.ts';
import { partitionRoutes } from './partitions.ts';
import { pprofRoutes } from './pprof.ts';
import { raftRoutes } from './raft.ts';
import { serveReports } from './report.ts';
import { storageRoutes } from './storage.ts';
import { topicRoutes } from './topics.ts';
import { userRoutes } from './users.ts';

/** Every HTTP route of a broker. Also answers the administration of other brokers from now on: call it once. */
export function adminRoutes(context: AdminContext): readonly Route[] {
  serveReports(context);
  return finishRoutes(context, [
    ...healthRoutes(context, context.services.host.telemetry.registry),
    ...raftRoutes(context),
    ...clusterRoutes(context),
    ...topicRoutes(context),
    ...partitionRoutes(context),
    ...storageRoutes(context),
    ...limitRoutes(context),
    ...userRoutes(context),
    ...clientRoutes(context),
    ...jobRoutes(context),
    ...machineRoutes(context),
    ...pprofRoutes(context),
  ]);
}
