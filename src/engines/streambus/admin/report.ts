import { RpcError } from '../broker/rpc.ts';
import type { GroupView } from '../broker/runtime.ts';
import { type BrokerId, brokerOf, type GroupId, incarnationOf } from '../ids.ts';
import { decodeJson, encodeJson } from '../meta/json.ts';
import type { AdminContext, DiskSpace } from './context.ts';

/** Entries that a replica may lack and still count as in sync. */
const inSyncEntries = 100;
const reportMs = 2_000;
const requestName = 'admin.report';

/** A group on one broker. */
export interface GroupReport {
  readonly group: GroupId;
  readonly kind: GroupView['kind'];
  readonly broker: BrokerId;
  readonly mode: GroupView['mode'];
  readonly state: string;
  readonly term: number;
  readonly raftId: number;
  readonly leaderId: number;
  readonly commit: number;
  readonly applied: number;
  readonly last: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** Of its leader: brokers whose member has all but the last entries. Empty elsewhere. */
  readonly inSync: readonly BrokerId[];
  /** Of its leader: brokers whose member was heard from lately. Empty elsewhere. */
  readonly reachable: readonly BrokerId[];
  /** Of its leader: entries that the slowest member lacks. */
  readonly lag: number;
  /** Of a partition only. */
  readonly log: LogReport | undefined;
}

export interface LogReport {
  readonly topic: string;
  readonly partition: number;
  readonly start: number;
  readonly highWatermark: number;
  readonly sizeBytes: number;
  readonly damage: readonly { readonly reason: string; readonly firstOffset: number; readonly lastOffset: number }[];
}

/** What one broker says of itself. */
export interface BrokerReport {
  readonly broker: BrokerId;
  readonly groups: readonly GroupReport[];
  readonly disk: DiskSpace | undefined;
  readonly readOnly: string | undefined;
  readonly isDraining: boolean;
}

/** The state of a member as metrics and routes name it. */
export function stateOf(view: GroupView): string {
  if (view.status.state === 'leader') return 'leader';
  if (view.confState.learners.includes(view.status.id)) return 'learner';
  return view.status.state;
}

/** What this broker knows of a group; undefined when it has no replica. */
export function reportGroup(context: AdminContext, group: GroupId): GroupReport | undefined {
  const view = context.runtime.view(group);
  if (view === undefined) return undefined;
  const { status } = view;
  const partition = context.partition(group);
  const members = status.progress.filter(({ id }) => id !== status.id);
  const self = context.services.broker;
  const isLeader = status.state === 'leader';
  const others = (has: (member: (typeof members)[number]) => boolean) =>
    isLeader ? [self, ...members.filter(has).map(({ id }) => brokerOf(id))].sort((left, right) => left - right) : [];
  return {
    group,
    kind: view.kind,
    broker: self,
    mode: view.mode,
    state: stateOf(view),
    term: status.hardState.term,
    raftId: status.id,
    leaderId: view.leader,
    commit: status.hardState.commit,
    applied: status.applied,
    last: status.lastIndex,
    voters: view.confState.voters,
    learners: view.confState.learners,
    inSync: others(
      ({ id, match, isLearner }) => !isLearner && view.heard.has(id) && match + inSyncEntries >= status.lastIndex,
    ),
    reachable: others(({ id }) => view.heard.has(id)),
    lag: members.reduce((most, { match }) => Math.max(most, status.lastIndex - match), 0),
    log:
      partition === undefined
        ? undefined
        : {
            topic: partition.info.topic,
            partition: partition.info.partition,
            start: partition.logStartOffset,
            highWatermark: partition.highWatermark,
            sizeBytes: partition.sizeBytes,
            damage: partition.damage.map(({ reason, firstOffset, lastOffset }) => ({
              reason,
              firstOffset,
              lastOffset,
            })),
          },
  };
}

/** What this broker says of itself. */
export function reportBroker(context: AdminContext): BrokerReport {
  const groups = [...context.runtime.all].flatMap(({ spec }) => reportGroup(context, spec.group) ?? []);
  return {
    broker: context.services.broker,
    groups,
    disk: context.disk(),
    readOnly: context.services.readOnly,
    isDraining: context.isDraining(),
  };
}

/** Answers the administration of other brokers. */
export function serveReports(context: AdminContext): void {
  context.services.rpc.serve(requestName, async () => encodeJson(reportBroker(context)));
}

/** What every broker says of itself; undefined for one that did not answer in time. */
export async function gatherReports(
  context: AdminContext,
  signal: AbortSignal,
): Promise<ReadonlyMap<BrokerId, BrokerReport | undefined>> {
  const { services } = context;
  const brokers = [...services.metadata.brokers.values()].filter(({ state }) => state !== 'left');
  const answers = await Promise.all(
    brokers.map(async ({ broker }): Promise<[BrokerId, BrokerReport | undefined]> => {
      if (broker === services.broker) return [broker, reportBroker(context)];
      try {
        const body = await services.rpc.call(broker, requestName, new Uint8Array(0), { timeoutMs: reportMs, signal });
        return [broker, decodeJson(body) as BrokerReport]; // a broker of the cluster wrote it
      } catch (error) {
        if (error instanceof RpcError) return [broker, undefined];
        throw error;
      }
    }),
  );
  return new Map(answers.sort(([left], [right]) => left - right));
}

/** Raft ids as `broker` or `broker.incarnation` where it is not the first. */
export function memberText(id: number): string {
  const incarnation = incarnationOf(id);
  return incarnation === 1 ? `${brokerOf(id)}` : `${brokerOf(id)}.${incarnation}`;
}
