import type { GroupsRuntime } from '../broker/runtime.ts';
import { metaGroup } from '../ids.ts';
import type { Metadata } from '../meta/metadata.ts';
import type { TaskView } from './context.ts';
import type { Jobs } from './jobs.ts';
import { stateOf } from './report.ts';

/** What is always under way while a broker runs: a driver for each group, and the jobs that operators have begun. */
export function standingTasks(
  runtime: GroupsRuntime,
  metadata: Metadata,
  jobs: Jobs,
  wallMs: number,
): readonly TaskView[] {
  const drivers = [...runtime.all].flatMap(({ spec: { group } }): TaskView[] => {
    const view = runtime.view(group);
    if (view === undefined) return [];
    const partition = metadata.partitionOf(group);
    const name =
      group === metaGroup
        ? 'metadata'
        : partition === undefined
          ? `${view.kind}-${group}`
          : `${partition.topic}/${partition.partition}`;
    const waits = view.pendingProposals > 0 ? `await commit of ${view.pendingProposals}` : 'await work';
    const { term } = view.status.hardState;
    return [
      {
        state: view.mode === 'normal' ? waits : view.mode,
        forMs: undefined,
        what: `group ${name} ${stateOf(view)} term=${term} applied=${view.status.applied}`,
        where: 'broker/groupReplica',
        by: 'broker/replicaKeeper',
      },
    ];
  });
  const running = jobs.running.map(
    ({ job, progress, started }): TaskView => ({
      state: `job ${Math.round(progress * 100)} %`,
      forMs: Math.max(0, wallMs - started),
      what: `job ${job}`,
      where: 'admin/jobs',
      by: 'admin/storage',
    }),
  );
  return [...drivers, ...running];
}
