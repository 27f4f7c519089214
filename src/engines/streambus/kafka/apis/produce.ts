import type { Millis } from '../../../../host/clock.ts';
import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { ProduceRequest, ProduceResponse } from '../../../../wire/kafka/messages/produce.ts';
import type { PartitionReplica } from '../../log/replica.ts';
import type { DoorContext } from '../doorContext.ts';
import { DropConnection } from '../dropConnection.ts';
import { produceError } from '../refusal.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';
import { endpointsOf, findLed, type LeaderView } from './partitionLookup.ts';
import { type BatchSummary, batchSummary } from './produceBatch.ts';
import { isOvertaken, verifyTransactions } from './produceTransactions.ts';
import { charge } from './quotaOf.ts';

type PartitionAnswer = ProduceResponse['responses'][number]['partitionResponses'][number];

/** A partition's part of the request on its way: refused already, or about to be appended. */
export interface ProducePart {
  readonly topic: string;
  readonly partition: number;
  readonly records: Uint8Array;
  readonly summary: BatchSummary;
  readonly replica: PartitionReplica | undefined;
  refusal: Refusal | undefined;
  /** `transactionEnds` of the replica when the transaction was found open; undefined outside a transaction. */
  verifiedEnds: number | undefined;
}

interface Refusal {
  readonly errorCode: number;
  readonly errorMessage?: string | undefined;
  readonly leader?: LeaderView | undefined;
}

const nothing = new Uint8Array(0);
/** Ends a wait before it has begun: for who only asks whether there is one. */
const over = AbortSignal.abort();
/** First version whose answer names the leader that a client should have asked. */
const leaderTagFrom = 10;

/**
 * Produce: checks, then appends to each partition. Batches are proposed before this call first waits, so that those of a connection
 * keep their order; only a transaction that has to be verified first, or a partition that takes nothing for the moment, makes it, and
 * later ones of the connection, wait.
 */
export async function produce(request: ProduceRequest, context: DoorContext): Promise<ProduceResponse | undefined> {
  const { services, session } = context;
  const refusedWhole = refuseWhole(request, context);
  if (refusedWhole !== undefined) {
    if (request.acks === 0) throw new DropConnection('bad-request', 'a produce request without acknowledgement failed');
    return produceError(request, refusedWhole.errorCode, refusedWhole.errorMessage ?? null);
  }
  const parts = partsOf(request, context);
  const throttleTimeMs = chargeFor(parts, context);
  const before = session.produceTurn;
  let answers: Promise<PartitionAnswer>[] = [];
  const untilMs = services.host.clock.now() + request.timeoutMs;
  // Behind another one, what is to be verified shows only when its turn has come: that one may have opened the transaction.
  const verification = before === undefined ? verifyTransactions(request, parts, context) : undefined;
  if (before === undefined && verification === undefined && !mustWait(parts)) {
    answers = appendAll(parts, request, context, request.timeoutMs);
  } else {
    const turn = takeTurn(before ?? verification, async () => {
      if (before !== undefined) await verifyTransactions(request, parts, context);
      await withRoom(parts, untilMs, context, () => {
        answers = appendAll(parts, request, context, Math.max(1, untilMs - services.host.clock.now()));
      });
    });
    session.produceTurn = turn;
    services.host.telemetry.sometimes('produce waited for a verification', before !== undefined);
    await turn;
    if (session.produceTurn === turn) session.produceTurn = undefined;
  }
  const settled = await Promise.all(answers);
  if (request.acks === 0) {
    const failed = settled.find(({ errorCode }) => errorCode !== 0);
    // Without an answer the end of the connection is the only way to say that something is wrong.
    if (failed !== undefined)
      throw new DropConnection('bad-request', `produce without acknowledgement: error ${failed.errorCode}`);
    return undefined;
  }
  const leaders = settled.flatMap(({ currentLeader }) => currentLeader?.leaderId ?? []);
  return {
    responses: groupByTopic(request, settled),
    throttleTimeMs,
    nodeEndpoints: leaders.length === 0 ? [] : endpointsOf(services, leaders),
  };
}

async function takeTurn(before: Promise<void> | undefined, act: () => Promise<void>): Promise<void> {
  await before;
  await act();
}

/** Undefined when the partition takes the part, or refuses it for good. With a live signal, a place in the partition's order. */
function roomOf({ refusal, replica, records }: ProducePart, signal: AbortSignal): Promise<void> | undefined {
  return refusal === undefined ? replica?.room?.(records.length, signal) : undefined;
}

/** Resolves when the partition would take the part, or `signal` ends the wait. Which it is has to be asked: others are woken too. */
async function untilRoom(part: ProducePart, first: Promise<void>, signal: AbortSignal): Promise<void> {
  let room: Promise<void> | undefined = first;
  while (room !== undefined) {
    await room;
    // Asked at once, while other partitions of the request may have no room yet: so this one knows that it is not waited for any more.
    room = signal.aborted ? undefined : roomOf(part, signal);
  }
}

/** One for each partition that would refuse its part for a passing reason. */
function waitsOf(parts: readonly ProducePart[], signal: AbortSignal): Promise<void>[] {
  return parts.flatMap((part) => {
    const room = roomOf(part, signal);
    return room === undefined ? [] : untilRoom(part, room, signal);
  });
}

function mustWait(parts: readonly ProducePart[]): boolean {
  return parts.some((part) => roomOf(part, over) !== undefined);
}

/**
 * Appends as soon as every partition takes its batch, at the latest when the request's time or its connection is over. Refused at once, the
 * batch would come again behind those that the client has sent after it: a producer without idempotence would lose its order, one with it
 * would get 45 for each of them. While it waits, the connection is read no further than its bound of requests, and TCP holds the client
 * back. It has its place among those of other connections until it has appended, so one that is larger than theirs gets its turn.
 */
async function withRoom(
  parts: readonly ProducePart[],
  untilMs: Millis,
  { services, signal }: DoorContext,
  append: () => void,
): Promise<void> {
  const { clock, telemetry } = services.host;
  const leftMs = untilMs - clock.now();
  if (leftMs <= 0 || signal.aborted || !mustWait(parts)) {
    append();
    return;
  }
  telemetry.sometimes('produce waited for room', true);
  // Whatever ends the wait, nobody keeps a place for it any longer: a client with short time-outs would fill the memory with them.
  const enough = new AbortController();
  const ended = Promise.withResolvers<void>();
  const stop = (): void => {
    enough.abort();
    ended.resolve();
  };
  signal.addEventListener('abort', stop, { once: true });
  clock.sleep(leftMs, enough.signal).then(stop, () => undefined);
  try {
    while (!enough.signal.aborted) {
      const waits = waitsOf(parts, enough.signal);
      if (waits.length === 0) break;
      await Promise.race([Promise.all(waits), ended.promise]);
    }
    append();
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Why nothing of the request can be taken. */
function refuseWhole(request: ProduceRequest, context: DoorContext): Refusal | undefined {
  const { acks, transactionalId } = request;
  if (acks !== -1 && acks !== 0 && acks !== 1) {
    return { errorCode: kafkaErrors.INVALID_REQUIRED_ACKS, errorMessage: `expected acks of -1, 0 or 1, got ${acks}` };
  }
  if (transactionalId !== null && !context.authorize('write', 'transactional-id', transactionalId)) {
    return { errorCode: kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  }
  return undefined;
}

function partsOf(request: ProduceRequest, context: DoorContext): ProducePart[] {
  const { services } = context;
  const readOnly = services.readOnly ?? services.metadata.readOnly;
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name, partitionData } of request.topicData) {
    for (const { index } of partitionData) {
      const key = `${name}/${index}`;
      if (seen.has(key)) twice.add(key);
      seen.add(key);
    }
  }
  return request.topicData.flatMap(({ name, partitionData }) => {
    const mayWrite = context.authorize('write', 'topic', name);
    const topic = services.metadata.topics.get(name);
    return partitionData.map(({ index, records }): ProducePart => {
      const found = findLed(services, topic, index);
      const part = {
        topic: name,
        partition: index,
        records: records ?? nothing,
        summary: batchSummary(records ?? nothing),
        replica: found.replica,
        verifiedEnds: undefined,
      };
      if (!mayWrite) return { ...part, refusal: { errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED } };
      if (found.replica === undefined) {
        const leader = found.errorCode === kafkaErrors.NOT_LEADER_OR_FOLLOWER ? found.leader : undefined;
        return { ...part, refusal: { errorCode: found.errorCode, leader } };
      }
      // Only for what is led here. On 19 clients try the same broker again and ask for no metadata: told so of a lead that has moved,
      // they would stay for minutes.
      if (readOnly !== undefined) {
        const errorMessage = `this broker takes no writes: ${readOnly}`;
        return { ...part, refusal: { errorCode: kafkaErrors.NOT_ENOUGH_REPLICAS, errorMessage } };
      }
      if (twice.has(`${name}/${index}`)) {
        const errorMessage = 'expected one batch for a partition in a request';
        return { ...part, refusal: { errorCode: kafkaErrors.INVALID_RECORD, errorMessage } };
      }
      if (part.summary.isTransactional && request.transactionalId === null) {
        return { ...part, refusal: { errorCode: kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED } };
      }
      return { ...part, refusal: undefined };
    });
  });
}

/** Charges the quota for what was sent, taken or not: sending costs too. */
function chargeFor(parts: readonly ProducePart[], context: DoorContext): number {
  const records = parts.reduce((sum, { summary }) => sum + summary.records, 0);
  const bytes = parts.reduce((sum, part) => sum + part.records.length, 0);
  return charge(context, [
    ['produceRate', records],
    ['produceBytesRate', bytes],
  ]);
}

/** Appends what was not refused. Synchronous up to the proposals. */
function appendAll(
  parts: readonly ProducePart[],
  request: ProduceRequest,
  context: DoorContext,
  timeoutMs: Millis,
): Promise<PartitionAnswer>[] {
  return parts.map((part) => {
    const { refusal, replica } = part;
    if (refusal !== undefined || replica === undefined) return Promise.resolve(refusedAnswer(part, context));
    if (isOvertaken(part)) {
      part.refusal = {
        errorCode: kafkaErrors.NOT_ENOUGH_REPLICAS,
        errorMessage: 'a transaction ended here while this one was verified',
      };
      return Promise.resolve(refusedAnswer(part, context));
    }
    return appendOne(part, replica, request, context, timeoutMs);
  });
}

function refusedAnswer({ partition, refusal }: ProducePart, { version }: DoorContext): PartitionAnswer {
  const leader = version >= leaderTagFrom ? refusal?.leader : undefined;
  return {
    index: partition,
    errorCode: refusal?.errorCode ?? kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION,
    baseOffset: -1,
    errorMessage: refusal?.errorMessage ?? null,
    ...(leader === undefined ? {} : { currentLeader: leader }),
  };
}

async function appendOne(
  part: ProducePart,
  replica: PartitionReplica,
  request: ProduceRequest,
  context: DoorContext,
  timeoutMs: Millis,
): Promise<PartitionAnswer> {
  const { topic, partition, records, summary } = part;
  const { door, version, clientId } = context;
  const { clock } = door.host;
  const startedAt = clock.now();
  try {
    const result = await replica.append({
      records,
      transactionalId: request.transactionalId ?? undefined,
      version,
      timeoutMs,
      acks: request.acks as -1 | 0 | 1, // checked before anything was appended
      clientId,
    });
    const { errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset, journalMs, replicateMs } = result;
    context.part({ topic, partition, durationMs: clock.now() - startedAt, journalMs, replicateMs });
    if (errorCode === 0) {
      door.hooks.produced(topic, summary.records, records.length);
      door.hooks.produceStages(journalMs / 1_000, replicateMs / 1_000);
    }
    const answer = { index: partition, errorCode, errorMessage: errorMessage ?? null, baseOffset, logAppendTimeMs };
    return errorCode === kafkaErrors.NOT_LEADER_OR_FOLLOWER
      ? { ...answer, ...leaderTag(context, topic, partition) }
      : { ...answer, logStartOffset };
  } catch (error) {
    const errorCode = codeOfFailure(error);
    return { index: partition, errorCode, errorMessage: textOfFailure(error), baseOffset: -1 };
  }
}

function leaderTag(context: DoorContext, topic: string, partition: number): Pick<PartitionAnswer, 'currentLeader'> {
  const found = findLed(context.services, context.services.metadata.topics.get(topic), partition);
  const isNamed = context.version >= leaderTagFrom && found.replica === undefined;
  return isNamed ? { currentLeader: found.leader } : {};
}

/** The answers in the shape of the request: `settled` is in its order. */
function groupByTopic(request: ProduceRequest, settled: readonly PartitionAnswer[]): ProduceResponse['responses'] {
  let at = 0;
  return request.topicData.map(({ name, partitionData }) => {
    const partitionResponses = settled.slice(at, at + partitionData.length);
    at += partitionData.length;
    return { name, partitionResponses };
  });
}
