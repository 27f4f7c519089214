import type { Operation } from '../../../src/checkers/history.ts';
import type { BatchSeen, ReplicaSeen, StreamBusEvidence } from '../../../src/checkers/streambus/evidence.ts';
import type { Configuration, EntrySeen, GroupEvent } from '../../../src/checkers/streambus/groupEvents.ts';
import { streamBusChecks } from '../../../src/checkers/streambus/index.ts';

/** Members of a group by broker, in their first incarnation. */
export const [a, b, c] = [1, 2, 3].map((broker) => broker * 65_536 + 1) as [number, number, number];

export const three: Configuration = { voters: [a, b, c], outgoing: [], learners: [] };

export const group = 1_024;

export function entry(index: number, term: number, digest = index * 10 + term): EntrySeen {
  return { index, term, digest, isConfigurationChange: false };
}

/** An event without its group and its time: all of these stories are about one group. */
export type Told = GroupEvent extends infer Event
  ? Event extends GroupEvent
    ? Omit<Event, 'group' | 'atMs'>
    : never
  : never;

/** Events one after the other, a millisecond apart. */
export function events(...told: readonly Told[]): GroupEvent[] {
  return told.map((event, index) => ({ ...event, group, atMs: index + 1 }) as GroupEvent); // a Told with the two fields is one
}

export function opened(member: number, more: Partial<Extract<Told, { kind: 'opened' }>> = {}): Told {
  return {
    kind: 'opened',
    member,
    term: 1,
    vote: 0,
    commit: 1,
    snapshotIndex: 1,
    terms: [1],
    configuration: three,
    ...more,
  };
}

export function appended(
  member: number,
  term: number,
  entries: readonly EntrySeen[],
  more: Partial<Extract<Told, { kind: 'appended' }>> = {},
): Told {
  return { kind: 'appended', member, term, leads: false, commit: 1, previousTerm: 1, entries, ...more };
}

export function applied(member: number, term: number, one: EntrySeen): Told {
  return { kind: 'applied', member, term, entry: one };
}

export function stored(
  member: number,
  entries: readonly EntrySeen[],
  hardState?: { term: number; vote: number },
): Told {
  return {
    kind: 'stored',
    member,
    entries: entries.map(({ index, term }) => ({ index, term })),
    hardState,
    snapshotIndex: undefined,
  };
}

let nextId = 0;

/** An operation that was answered, by default with success, ten milliseconds after its call. */
export function operation(f: string, output: unknown, more: Partial<Operation> = {}): Operation {
  const id = nextId++;
  return {
    id,
    process: 1,
    f,
    input: output,
    output,
    outcome: 'ok',
    invokedAt: id * 100,
    invokedOrder: id * 2,
    completedAt: id * 100 + 10,
    completedOrder: id * 2 + 1,
    ...more,
  };
}

/** Evidence of a run in which nothing happened but this. Ids are positions. */
export function evidenceOf(more: Partial<StreamBusEvidence>): StreamBusEvidence {
  const names = ['raft-paper', 'raft-rules', 'committed-is-durable', 'conf-safety', 'decided-first', 'tail-rule'];
  return {
    polledToEnd: true,
    watched: new Map(names.map((name) => [name, { violations: [], detail: '' }])),
    durableAt: () => 0,
    ends: [],
    assignments: [],
    commits: [],
    offsetFetches: [],
    fetches: [],
    refusals: [],
    epochs: [],
    replicas: [],
    mayBeGoneBelow: new Map(),
    metrics: [],
    gauges: [],
    recovery: undefined,
    unlooked: undefined,
    ...more,
    operations: (more.operations ?? []).map((one, id) => ({ ...one, id })),
  };
}

/** Messages of the violations that one check finds. */
export function found(name: string, more: Partial<StreamBusEvidence>): string[] {
  const check = streamBusChecks.find((one) => one.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check.run(evidenceOf(more)).violations.map(({ message }) => message);
}

export function batch(baseOffset: number, records: number, more: Partial<BatchSeen> = {}): BatchSeen {
  return {
    baseOffset,
    lastOffset: baseOffset + records - 1,
    records,
    leaderEpoch: 1,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    isControl: false,
    isTransactional: false,
    digest: baseOffset,
    intact: true,
    ...more,
  };
}

/** One segment, not sealed. */
export function replica(node: string, batches: readonly BatchSeen[], more: Partial<ReplicaSeen> = {}): ReplicaSeen {
  return { key: 'orders/0', node, start: 0, segments: [{ baseOffset: 0, sealed: false, batches }], ...more };
}
