import type { Clock, Millis } from '../../host/clock.ts';
import { isLoopback } from '../loopback.ts';
import type { AdminContext } from './admin/context.ts';
import { countReplicas } from './admin/health.ts';
import type { GroupView } from './broker/runtime.ts';
import { metaGroup } from './ids.ts';
import type { Machines } from './machines.ts';
import type { BrokerReadings, GroupIndexes, GroupReading, MetaState } from './metrics.ts';

/** What gauges read of a broker when they are scraped. */
export function brokerReadings(context: AdminContext, machines: () => Machines | undefined): BrokerReadings {
  const { runtime, services } = context;
  const { clock } = services.host;
  const views = during(clock, () => [...runtime.all].flatMap(({ spec }) => runtime.view(spec.group) ?? []));
  const counts = during(clock, () => countReplicas(context));
  return {
    metaState: () => metaStateOf(runtime.view(metaGroup)),
    metaIndexes: () => indexesOf(runtime.view(metaGroup)),
    worstIndexes() {
      let worst: GroupIndexes | undefined;
      for (const view of views()) {
        const here = indexesOf(view);
        if (here === undefined) continue;
        if (worst === undefined || here.commit - here.applied > worst.commit - worst.applied) worst = here;
      }
      return worst;
    },
    partitions: () => counts().partitions,
    leaders: () => counts().leaders,
    underReplicated: () => counts().underReplicated,
    offline: () => counts().offline,
    probation: () => counts().probation,
    replicaLag: () => Math.max(0, ...views().map(lagOf)),
    syncing() {
      const parts: { topic: string; partition: number; share: number }[] = [];
      for (const view of views()) {
        const share = syncedShare(view);
        const info = services.metadata.partitionOf(view.group);
        if (share < 1 && info !== undefined) parts.push({ topic: info.topic, partition: info.partition, share });
      }
      return parts;
    },
    consumerGroups() {
      const groups: GroupReading[] = [];
      for (const { coordinator } of machines()?.groupShards.values() ?? []) {
        if (coordinator.unavailable !== 0) continue;
        const endOf = (topic: string, partition: number) => services.partition(topic, partition)?.highWatermark;
        for (const { groupId, members, lag } of coordinator.figures(endOf)) {
          groups.push({ group: groupId, members, lag });
        }
      }
      return groups;
    },
    transactions() {
      let open = 0;
      let oldestSeconds = 0;
      const wall = services.host.clock.wall();
      for (const { coordinator } of machines()?.transactionShards.values() ?? []) {
        if (coordinator.unavailable !== 0) continue;
        open += coordinator.openCount;
        const begun = coordinator.oldestOpenWallMs ?? wall;
        oldestSeconds = Math.max(oldestSeconds, (wall - begun) / 1_000);
      }
      return { open, oldestSeconds };
    },
    isReadOnly: () => services.readOnly !== undefined,
    isDraining: () => context.isDraining(),
    isInsecure: () => isInsecure(context),
    overTargetBytes() {
      const target = services.config.storage.compaction.target_size;
      if (target === undefined) return 0;
      let bytes = 0;
      for (const partition of services.partitions) bytes += partition.sizeBytes;
      return Math.max(0, bytes - target);
    },
    memory: () => context.memory(),
    connections: () => context.connections(),
    tasks: () => context.tasks().length,
    lastScrub() {
      const wallMs = machines()?.scrubbedWall;
      return wallMs === undefined ? undefined : wallMs / 1_000;
    },
  };
}

/** As long as one scrape takes: its gauges ask one after the other. */
const scrapeMs: Millis = 50;

/** Computes a value anew unless it was only just computed. */
function during<T>(clock: Clock, compute: () => T): () => T {
  let known: { readonly value: T; readonly atMs: Millis } | undefined;
  return () => {
    const now = clock.now();
    if (known === undefined || now - known.atMs >= scrapeMs) known = { value: compute(), atMs: now };
    return known.value;
  };
}

function metaStateOf(view: GroupView | undefined): MetaState | undefined {
  if (view === undefined) return undefined;
  const { state, id } = view.status;
  if (state === 'follower') return view.confState.voters.includes(id) ? 'follower' : 'learner';
  return state;
}

function indexesOf(view: GroupView | undefined): GroupIndexes | undefined {
  if (view === undefined) return undefined;
  const { hardState, applied } = view.status;
  return { term: hardState.term, commit: hardState.commit, applied };
}

function lagOf({ status }: GroupView): number {
  let lag = 0;
  for (const { match } of status.progress) lag = Math.max(lag, status.lastIndex - match);
  return lag;
}

/** How much of what it knows to be committed a replica has. */
function syncedShare({ mode, status }: GroupView): number {
  if (mode === 'restoring') return 0;
  const { commit } = status.hardState;
  return commit === 0 ? 1 : Math.min(1, status.applied / commit);
}

/** Kafka's listener, or that of the brokers, is open to other machines and asks nobody who he is. */
function isInsecure({ services }: AdminContext): boolean {
  const { server, security } = services.config;
  const takesAnyClient = security.sasl.mechanisms.length === 0 && security.tls?.client_ca === undefined;
  const takesAnyBroker = security.inter_broker.secret_file === undefined;
  return !isLoopback(server.host) && (takesAnyClient || takesAnyBroker);
}
