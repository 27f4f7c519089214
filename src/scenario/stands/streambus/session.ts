import type { Operation } from '../../../checkers/history.ts';
import { readLog, sentOf } from '../../../checkers/log/operations.ts';
import type { ReplicaSeen, StreamBusEvidence } from '../../../checkers/streambus/evidence.ts';
import { streamBusChecks } from '../../../checkers/streambus/index.ts';
import { logOperations } from '../../../checkers/streambus/logAnomalies.ts';
import type { RaftPace } from '../../../checkers/streambus/raftRules.ts';
import { streamBusConfigSchema } from '../../../engines/streambus/config.ts';
import { brokerOf, firstPartitionGroup } from '../../../engines/streambus/ids.ts';
import type { Check, LoadContext, RunFacts, StandContext, StandSession, Workload } from '../stand.ts';
import { diskSamples } from '../stemedb/diskMetrics.ts';
import { brokerDocument, brokerOfNode, kafkaPort } from './configuration.ts';
import type { StreamBusDevices } from './devices.ts';
import { GroupFeed } from './groupFeed.ts';
import { NodeRecord } from './nodeRecord.ts';
import { Recovery } from './recovery.ts';
import { type Samples, startSampling } from './samples.ts';
import { Scrubs } from './scrubs.ts';
import { replicasOn } from './segmentFiles.ts';
import { createVerbs } from './verbs.ts';
import { partitionOf, type Told, topicOf } from './workload/context.ts';
import { type StreamBusWorkload, startWorkload } from './workload/workload.ts';

const metaGroup = 0;

/** Begins a run of streambus: a cluster of brokers, and everything that is written down of it. */
export function openSession(context: StandContext): StandSession {
  const { world, control } = context;
  const pace = paceOf(context);
  const feed = new GroupFeed(() => world.now, pace);
  const told: Told = {
    ends: [],
    assignments: [],
    commits: [],
    offsetFetches: [],
    fetches: [],
    refusals: [],
    epochs: [],
  };
  const samples: Samples = { metrics: [], gauges: [] };
  const records = new Map<string, NodeRecord>();
  for (const node of context.nodes) {
    const record = new NodeRecord({
      world,
      node,
      devices: context.devices as StreamBusDevices, // parsed by `streamBusDevicesSchema`
      document: brokerDocument(node, context.nodes, context.config),
      feed,
      groupOf,
    });
    records.set(node, record);
  }
  startSampling(world, [...records.values()], feed, samples);
  const groups = new Map<string, number>();
  let keys: readonly string[] = [];
  let load: StreamBusWorkload | undefined;
  let recovery: Recovery | undefined;
  let evidence: StreamBusEvidence | undefined;

  function recordOf(node: string): NodeRecord {
    const found = records.get(node);
    if (found === undefined) throw new Error(`node ${node} is none of this stand's: ${[...records.keys()].join(', ')}`);
    return found;
  }

  const nodeOf = (member: number): string | undefined =>
    context.nodes.find((node) => brokerOfNode(node) === brokerOf(member));

  function startLoad(given: LoadContext): Workload {
    const seeds = context.nodes.map((host) => ({ host, port: kafkaPort }));
    load = startWorkload(given, seeds, told, () => world.now);
    keys = [...load.world.plainKeys, ...load.world.transactionalKeys, ...load.world.shortLivedKeys];
    rememberGroups();
    return load;
  }

  /** Keeps in mind which group a partition has: when files are deleted by hand, nobody may be there to be asked. */
  function rememberGroups(): void {
    world.scheduler.after(500, 'groups of partitions', undefined, rememberGroups);
    for (const key of keys) groupOf(key);
  }

  async function converged(): Promise<string | undefined> {
    // What is broken already need not come back: a log that is torn may keep its brokers busy for ever.
    if (cutShort() !== undefined) return undefined;
    for (const node of context.nodes) {
      if (control.state(node) !== 'up') return `${node} is ${control.state(node)}`;
    }
    recovery ??= new Recovery({
      now: () => world.now,
      feed,
      isUp: (member) => [...records.values()].some((record) => record.member === member),
      isDeleted,
      scrubs: new Scrubs([...records.values()]),
      load,
    });
    return recovery.missing();
  }

  function cutShort(): string | undefined {
    return feed.hasFound ? 'a check has found something before: nothing more was waited for' : undefined;
  }

  function isDeleted(group: number): boolean {
    if (group < firstPartitionGroup) return false;
    const running = [...records.values()].flatMap((record) => record.running ?? []);
    return running.length > 0 && running.every(({ bus }) => bus.services.metadata.partitionOf(group) === undefined);
  }

  /** The group of a partition, by the metadata of any broker that runs; afterwards by what was last known. */
  function groupOf(key: string): number | undefined {
    for (const record of records.values()) {
      const found = record.running?.bus.services.metadata.topics.get(topicOf(key))?.partitions[partitionOf(key)]?.group;
      if (found !== undefined) {
        groups.set(key, found);
        return found;
      }
    }
    return groups.get(key);
  }

  /** When the record was on the media of a majority. Of a key that is nobody's group the stand knows nothing. */
  function durableAt(key: string, offset: number): number | undefined | 'unknown' {
    const group = groupOf(key);
    if (group === undefined) return 'unknown';
    const index = feed.indexOf(group, offset);
    return index === undefined ? undefined : feed.durability.durableAt(group, index);
  }

  /** Replicas that belong to their groups; what a broker still has of others is no part of the cluster. */
  function replicas(): ReplicaSeen[] {
    return [...records.values()].flatMap((record) =>
      replicasOn(
        record.disks.table,
        record.node,
        (key) => record.running?.bus.services.partition(topicOf(key), partitionOf(key))?.logStartOffset,
        // Of a topic that passes every broker may have another one of its lives.
      ).filter(({ key }) => load?.world.passingKeys.includes(key) !== true),
    );
  }

  const checks: Record<string, Check> = {};
  for (const check of streamBusChecks) {
    checks[check.name] = () => {
      if (evidence === undefined) throw new Error(`${check.name} was asked before the evidence was collected`);
      return check.run(evidence);
    };
  }

  return {
    configuration: (node) => structuredClone(recordOf(node).document),
    primary() {
      const leader = feed.groups.get(metaGroup)?.leader;
      return leader === undefined ? undefined : nodeOf(leader);
    },
    decorateHost: (host, node) => recordOf(node).decorate(host),
    engineState(node) {
      const { member } = recordOf(node);
      const meta = feed.groups.get(metaGroup);
      return member === undefined ? 'starting' : meta?.leader === member ? 'leads' : 'follows';
    },
    nodeChanged: (node, state) => recordOf(node).changed(state),
    startLoad,
    verbs: createVerbs({ world, recordOf, nodes: context.nodes }),
    extraMetrics: (node) => [...recordOf(node).disks.table.devices.values()].flatMap(diskSamples),
    converged,
    cutShort,
    async collectEvidence(history: readonly Operation[], run: RunFacts) {
      const isHealed = run.healedAtMs !== undefined;
      evidence = {
        operations: history,
        polledToEnd: isHealed && recovery?.hasReadAll === true,
        watched: new Map([
          ['raft-paper', feed.raftPaper.result()],
          ['raft-rules', feed.raftRules.result()],
          ['committed-is-durable', feed.durability.committed.result()],
          ['conf-safety', feed.configurations.result()],
          ['decided-first', feed.decisions.result(isHealed ? committedSends(history) : 0)],
          ['tail-rule', feed.durability.tail.result()],
        ]),
        durableAt,
        ...told,
        replicas: replicas(),
        mayBeGoneBelow: new Map((load?.world.shortLivedKeys ?? []).map((key) => [key, Number.POSITIVE_INFINITY])),
        ...samples,
        recovery: recovery?.seen(),
        unlooked: isHealed && recovery === undefined ? (cutShort() ?? 'the brokers were never all up') : undefined,
      };
    },
    checks,
  };
}

/** Transactions of the load that were told to be committed and had sent something. */
function committedSends(operations: readonly Operation[]): number {
  const committed = logOperations({ operations }).filter(({ f, outcome }) => f === 'txn' && outcome === 'ok');
  return readLog(committed).filter((one) => sentOf(one).length > 0).length;
}

/** The pace of the groups' clocks, as the configuration has it; the usual one where no broker would start with that. */
function paceOf({ nodes, config }: StandContext): RaftPace {
  const [node] = nodes;
  const parsed =
    node === undefined ? undefined : streamBusConfigSchema.safeParse(brokerDocument(node, nodes, config)).data;
  const raft = parsed?.cluster.raft;
  return {
    tickMs: raft?.tick ?? 100,
    heartbeatTicks: raft?.heartbeat_ticks ?? 2,
    electionTicks: raft?.election_ticks ?? 10,
  };
}
