import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { EndRequest, InitRequest, ProducerIdentity, TopicPartition } from './coordinator.ts';
import { isEnding, type TransactionRecord } from './state.ts';

/**
 * The last epoch that a client is given; one above is for the marker of its last transaction. Then the id gets another producer id
 * (KIP-360, KIP-890).
 */
export const lastEpoch = 32_766;

/** What a request leads to: a refusal; an answer that needs no entry; or the next state, with what is answered once it is committed. */
export type Decision =
  | { readonly errorCode: number }
  | { readonly errorCode: 0; readonly answer: ProducerIdentity }
  | {
      readonly errorCode: number;
      readonly next: TransactionRecord;
      readonly begins: boolean;
      readonly answer: ProducerIdentity;
    };

const refuse = (errorCode: number): Decision => ({ errorCode });

function identityOf({ producerId, producerEpoch }: ProducerIdentity): ProducerIdentity {
  return { producerId, producerEpoch };
}

function step(next: TransactionRecord, answer: ProducerIdentity = identityOf(next), errorCode = 0): Decision {
  return { errorCode, next, begins: false, answer };
}

/** An id that is used for the first time. */
export function firstRecord(request: InitRequest, producerId: number, wall: number): TransactionRecord {
  return {
    transactionalId: request.transactionalId,
    producerId,
    producerEpoch: 0,
    lastEpoch: -1,
    previousProducerId: -1,
    nextProducerId: -1,
    timeoutMs: request.timeoutMs,
    state: 'Empty',
    partitions: [],
    groups: [],
    startedWall: -1,
    changedWall: wall,
    raisesEpoch: false,
    transaction: 0,
    metadataVersion: 0,
  };
}

/** Whether a decision for the record needs a fresh producer id. */
export function needsProducerId(record: TransactionRecord): boolean {
  return record.producerEpoch >= lastEpoch;
}

/**
 * InitProducerId for a known id: a new instance of the producer fences the former one, aborting what it has left open (51: it asks
 * again). One that gives its epoch (KIP-360) goes on as itself, if nobody has fenced it. `freshId` is used when epochs have run out.
 */
export function decideInit(record: TransactionRecord, request: InitRequest, freshId: number, wall: number): Decision {
  const { producerId, producerEpoch, timeoutMs } = request;
  const isNamed = producerId >= 0 && producerEpoch >= 0;
  const isCurrent = producerId === record.producerId && producerEpoch === record.producerEpoch;
  if (isNamed && !isCurrent && !isRepeat(record, request)) return refuse(kafkaErrors.PRODUCER_FENCED);
  if (isEnding(record.state)) return refuse(kafkaErrors.CONCURRENT_TRANSACTIONS);
  if (record.state === 'Ongoing') {
    if (isNamed && !isCurrent) return refuse(kafkaErrors.PRODUCER_FENCED);
    const fenced = decideFence(record, wall);
    return step(fenced, identityOf(fenced), kafkaErrors.CONCURRENT_TRANSACTIONS);
  }
  if (isNamed && !isCurrent) return { errorCode: kafkaErrors.NONE, answer: identityOf(record) };
  const base = { ...record, state: 'Empty', timeoutMs, changedWall: wall } as const;
  const repeatable = isNamed ? record.producerEpoch : -1;
  if (!needsProducerId(record)) {
    return step({ ...base, producerEpoch: record.producerEpoch + 1, lastEpoch: repeatable, previousProducerId: -1 });
  }
  return step({
    ...base,
    producerId: freshId,
    producerEpoch: 0,
    lastEpoch: repeatable,
    previousProducerId: isNamed ? record.producerId : -1,
  });
}

/** The holder of the epoch (or producer id) before, which did not get the answer that gave it the next one. */
function isRepeat(record: TransactionRecord, { producerId, producerEpoch }: ProducerIdentity): boolean {
  if (record.lastEpoch < 0 || producerEpoch !== record.lastEpoch) return false;
  return record.previousProducerId >= 0 ? producerId === record.previousProducerId : producerId === record.producerId;
}

/** Aborts an open transaction and fences whoever holds it: a new instance has come, or its time is up. */
export function decideFence(record: TransactionRecord, wall: number): TransactionRecord {
  return {
    ...record,
    state: 'PrepareAbort',
    producerEpoch: Math.min(record.producerEpoch + 1, lastEpoch + 1),
    lastEpoch: -1,
    previousProducerId: -1,
    changedWall: wall,
  };
}

/** What all requests of a producer within a transaction are checked against. */
export function producerError(
  record: TransactionRecord | undefined,
  { producerId, producerEpoch }: ProducerIdentity,
): number {
  if (record === undefined || record.producerId !== producerId) return kafkaErrors.INVALID_PRODUCER_ID_MAPPING;
  return record.producerEpoch === producerEpoch ? kafkaErrors.NONE : kafkaErrors.PRODUCER_FENCED;
}

/** What a transaction shall cover. */
export interface Additions {
  readonly partitions: readonly TopicPartition[];
  readonly groups: readonly string[];
  /** By a client of version 2. */
  readonly raisesEpoch: boolean;
  readonly metadataVersion: number;
}

/** Adds to the open transaction, or begins one. */
export function decideAdd(
  record: TransactionRecord | undefined,
  producer: ProducerIdentity,
  additions: Additions,
  wall: number,
): Decision {
  const error = producerError(record, producer);
  if (error !== kafkaErrors.NONE || record === undefined) return refuse(error);
  if (isEnding(record.state)) return refuse(kafkaErrors.CONCURRENT_TRANSACTIONS);
  const isOngoing = record.state === 'Ongoing';
  const { partitions, groups } = missing(record, additions);
  if (isOngoing && partitions.length + groups.length === 0)
    return { errorCode: kafkaErrors.NONE, answer: identityOf(record) };
  const next: TransactionRecord = {
    ...record,
    state: 'Ongoing',
    partitions: [...record.partitions, ...partitions],
    groups: [...record.groups, ...groups],
    startedWall: isOngoing ? record.startedWall : wall,
    changedWall: wall,
    raisesEpoch: additions.raisesEpoch,
    metadataVersion: additions.metadataVersion,
  };
  return { errorCode: kafkaErrors.NONE, next, begins: !isOngoing, answer: identityOf(record) };
}

/** What of `wanted` does not belong to the transaction yet, each once. */
export function missing(
  record: TransactionRecord,
  wanted: Pick<Additions, 'partitions' | 'groups'>,
): { readonly partitions: readonly TopicPartition[]; readonly groups: readonly string[] } {
  const known = new Set(record.partitions.map(keyOf));
  const partitions: TopicPartition[] = [];
  for (const { topic, partition } of wanted.partitions) {
    const key = keyOf({ topic, partition });
    if (known.has(key)) continue;
    known.add(key);
    partitions.push({ topic, partition });
  }
  return { partitions, groups: [...new Set(wanted.groups)].filter((group) => !record.groups.includes(group)) };
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`;
}

/**
 * EndTxn. Before version 2 the epoch stays; in it, it rises with each end, so that nothing late of this transaction can touch the
 * next one, and an abort of nothing is an end too. A repeat gets the first one's answer.
 */
export function decideEnd(
  record: TransactionRecord | undefined,
  request: EndRequest,
  freshId: number,
  wall: number,
): Decision {
  const { commit, raisesEpoch } = request;
  if (record === undefined) return refuse(kafkaErrors.INVALID_PRODUCER_ID_MAPPING);
  const { state } = record;
  const hasThisEnd = commit
    ? state === 'PrepareCommit' || state === 'CompleteCommit'
    : state === 'PrepareAbort' || state === 'CompleteAbort';
  if (raisesEpoch && isRepeatedEnd(record, request)) {
    if (!hasThisEnd) return refuse(kafkaErrors.INVALID_TXN_STATE);
    return { errorCode: kafkaErrors.NONE, answer: endAnswer(record) };
  }
  const error = producerError(record, request);
  if (error !== kafkaErrors.NONE) return refuse(error);
  if (state === 'Ongoing') return decideOngoing(record, request, freshId, wall);
  if (!raisesEpoch) {
    return hasThisEnd
      ? { errorCode: kafkaErrors.NONE, answer: identityOf(record) }
      : refuse(kafkaErrors.INVALID_TXN_STATE);
  }
  if (isEnding(state)) return refuse(kafkaErrors.CONCURRENT_TRANSACTIONS);
  return commit ? refuse(kafkaErrors.INVALID_TXN_STATE) : decideEmptyAbort(record, freshId, wall);
}

function isRepeatedEnd(record: TransactionRecord, request: EndRequest): boolean {
  return record.raisesEpoch && record.state !== 'Ongoing' && record.state !== 'Empty' && isRepeat(record, request);
}

/** What the producer goes on with: what the record says, or will say once it is complete. */
function endAnswer(record: TransactionRecord): ProducerIdentity {
  return record.nextProducerId >= 0 ? { producerId: record.nextProducerId, producerEpoch: 0 } : identityOf(record);
}

function decideOngoing(record: TransactionRecord, request: EndRequest, freshId: number, wall: number): Decision {
  const state = request.commit ? 'PrepareCommit' : 'PrepareAbort';
  const ending: TransactionRecord = { ...record, state, changedWall: wall, raisesEpoch: request.raisesEpoch };
  if (!request.raisesEpoch) return step(ending);
  const raised: TransactionRecord = {
    ...ending,
    producerEpoch: record.producerEpoch + 1,
    lastEpoch: record.producerEpoch,
    previousProducerId: -1,
    nextProducerId: needsProducerId(record) ? freshId : -1,
  };
  return step(raised, endAnswer(raised));
}

/** An abort in which nothing was written: there is nobody to tell, but what the client may have sent is fenced. */
function decideEmptyAbort(record: TransactionRecord, freshId: number, wall: number): Decision {
  const base = {
    ...record,
    state: 'CompleteAbort',
    changedWall: wall,
    raisesEpoch: true,
    lastEpoch: record.producerEpoch,
  } as const;
  return needsProducerId(record)
    ? step({ ...base, producerId: freshId, producerEpoch: 0, previousProducerId: record.producerId })
    : step({ ...base, producerEpoch: record.producerEpoch + 1, previousProducerId: -1 });
}

/** Every partition has its marker. */
export function completed(record: TransactionRecord, wall: number): TransactionRecord {
  const done: TransactionRecord = {
    ...record,
    state: record.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: [],
    groups: [],
    startedWall: -1,
    changedWall: wall,
  };
  if (record.nextProducerId < 0) return done;
  return {
    ...done,
    producerId: record.nextProducerId,
    producerEpoch: 0,
    previousProducerId: record.producerId,
    nextProducerId: -1,
  };
}
