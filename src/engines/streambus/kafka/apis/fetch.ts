import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { FetchRequest, FetchResponse } from '../../../../wire/kafka/messages/fetch.ts';
import type { PartitionReplica, ReadResult } from '../../log/replica.ts';
import type { TopicInfo } from '../../meta/metadata.ts';
import type { DoorContext } from '../doorContext.ts';
import { maxFetchBytes, maxWaiters } from '../limits.ts';
import { codeOfFailure } from './failure.ts';
import { recordCount } from './fetchRecords.ts';
import { endpointsOf, findLed, leaderOf } from './partitionLookup.ts';
import { charge, quotaOf } from './quotaOf.ts';

type TopicQuestion = FetchRequest['topics'][number];
type PartitionQuestion = TopicQuestion['partitions'][number];
type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

/** A partition that is asked for, and what it answered last. */
interface Part {
  readonly topic: TopicInfo | undefined;
  readonly question: PartitionQuestion;
  /** Undefined: refused before anything was read. */
  readonly replica: PartitionReplica | undefined;
  readonly errorCode: number;
}

interface Read {
  readonly answers: readonly PartitionAnswer[];
  readonly bytes: number;
  /** An error, or an end that went another way: nobody waits on top of that. */
  readonly isUrgent: boolean;
}

const nothing = new Uint8Array(0);
/** How long batches gather between two looks at partitions, for a client that wants more than one byte. */
const gatherMs = 5;
/** First version that names topics by id. */
const idsFrom = 13;
/** First version whose answer names the leader that a client should have asked. */
const leaderTagFrom = 12;
const leaderErrors: ReadonlySet<number> = new Set([
  kafkaErrors.NOT_LEADER_OR_FOLLOWER,
  kafkaErrors.FENCED_LEADER_EPOCH,
  kafkaErrors.UNKNOWN_LEADER_EPOCH,
]);

/** Fetch: records of partitions that this broker leads; waits for more when there are fewer than were asked for. */
export async function fetch(request: FetchRequest, context: DoorContext): Promise<FetchResponse> {
  const { session } = context;
  session.fetches += 1;
  try {
    return await answer(request, context);
  } finally {
    session.fetches -= 1;
  }
}

async function answer(request: FetchRequest, context: DoorContext): Promise<FetchResponse> {
  const sessionError = checkSession(request);
  if (sessionError !== kafkaErrors.NONE) return { errorCode: sessionError, responses: [] };
  const { clock } = context.services.host;
  const parts = request.topics.map((topic) => partsOf(topic, context));
  const flat = parts.flat();
  const deadline = clock.now() + request.maxWaitMs;
  let read = await readAll(flat, request, context);
  while (read.bytes < request.minBytes && !read.isUrgent && mayWait(context) && clock.now() < deadline) {
    await waitForMore(flat, read, deadline - clock.now(), request, context);
    // Who wants many bytes gets them in few reads, not one for each batch that comes.
    if (request.minBytes > 1 && mayWait(context)) await clock.sleep(Math.min(gatherMs, deadline - clock.now()));
    read = await readAll(flat, request, context);
  }
  const throttleTimeMs = chargeFor(read, context);
  return {
    throttleTimeMs,
    errorCode: kafkaErrors.NONE,
    // Without a session every request is a whole one: legal since KIP-227.
    sessionId: 0,
    responses: groupByTopic(request, parts, read, context),
    nodeEndpoints: namedEndpoints(read, context),
  };
}

/** Sessions are not kept, so none can be continued. */
function checkSession({ sessionId, sessionEpoch }: FetchRequest): number {
  if (sessionId !== 0) return kafkaErrors.FETCH_SESSION_ID_NOT_FOUND;
  return sessionEpoch > 0 ? kafkaErrors.INVALID_FETCH_SESSION_EPOCH : kafkaErrors.NONE;
}

function partsOf(question: TopicQuestion, context: DoorContext): Part[] {
  const { services, version } = context;
  const isById = version >= idsFrom;
  const topic = isById ? services.metadata.topicById(question.topicId) : services.metadata.topics.get(question.topic);
  const name = topic?.name ?? question.topic;
  const isUnknownId = isById && topic === undefined;
  const mayRead = !isUnknownId && context.authorize('read', 'topic', name);
  return question.partitions.map((partition): Part => {
    const refused = (errorCode: number): Part => ({ topic, question: partition, replica: undefined, errorCode });
    if (isUnknownId) return refused(kafkaErrors.UNKNOWN_TOPIC_ID);
    if (!mayRead) return refused(kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
    const found = findLed(services, topic, partition.partition);
    return { topic, question: partition, replica: found.replica, errorCode: found.errorCode };
  });
}

/** Reads partition after partition, in the order of the request, until the answer is full. */
async function readAll(parts: readonly Part[], request: FetchRequest, context: DoorContext): Promise<Read> {
  const { budget } = context.door;
  const { telemetry } = context.services.host;
  const isShort = telemetry.buggify('one-batch-fetch');
  // Answers pile up before a client that asks without reading: all but the first of a connection are small.
  const most =
    context.session.fetches > 1 ? leastFetchBytes : Math.min(maxFetchBytes, Math.max(leastFetchBytes, budget.left));
  let left = isShort ? 1 : Math.min(request.maxBytes, most);
  let bytes = 0;
  let isUrgent = false;
  const answers: PartitionAnswer[] = [];
  for (const part of parts) {
    const { replica } = part;
    if (replica === undefined) {
      answers.push(refusedAnswer(part, context, part.errorCode));
      isUrgent = true;
      continue;
    }
    const result = await readOne(replica, part.question, left, bytes === 0, request);
    if (typeof result === 'number' || result.errorCode !== 0) {
      const errorCode = typeof result === 'number' ? result : result.errorCode;
      if (telemetry.mutant('fetch-error-empty')) answers.push(emptyAnswer(part.question.partition));
      else answers.push(failedAnswer(part, context, errorCode, typeof result === 'number' ? undefined : result));
      isUrgent = true;
      continue;
    }
    answers.push(goodAnswer(part.question.partition, result, request));
    bytes += result.bytes;
    left = Math.max(0, left - result.bytes);
    if (result.diverging !== undefined) isUrgent = true;
  }
  return { answers, bytes, isUrgent };
}

/** Whatever is left of the memory for requests, so much is given. */
const leastFetchBytes = 1024 * 1024;

async function readOne(
  replica: PartitionReplica,
  question: PartitionQuestion,
  left: number,
  minOneBatch: boolean,
  request: FetchRequest,
): Promise<ReadResult | number> {
  try {
    return await replica.read({
      offset: question.fetchOffset,
      maxBytes: Math.max(0, Math.min(left, question.partitionMaxBytes)),
      minOneBatch,
      isolation: isolationOf(request),
      currentLeaderEpoch: question.currentLeaderEpoch,
      lastFetchedEpoch: question.lastFetchedEpoch,
    });
  } catch (error) {
    return codeOfFailure(error);
  }
}

function isolationOf(request: FetchRequest): 'read-committed' | 'read-uncommitted' {
  return request.isolationLevel === 1 ? 'read-committed' : 'read-uncommitted';
}

function emptyAnswer(partitionIndex: number): PartitionAnswer {
  return { partitionIndex, errorCode: kafkaErrors.NONE, highWatermark: -1, records: nothing };
}

function refusedAnswer(part: Part, context: DoorContext, errorCode: number): PartitionAnswer {
  return { ...emptyAnswer(part.question.partition), errorCode, ...leaderTag(part, context, errorCode) };
}

function failedAnswer(
  part: Part,
  context: DoorContext,
  errorCode: number,
  result: ReadResult | undefined,
): PartitionAnswer {
  const refused = refusedAnswer(part, context, errorCode);
  if (result === undefined) return refused;
  const { highWatermark, lastStableOffset, logStartOffset } = result;
  return { ...refused, highWatermark, lastStableOffset, logStartOffset };
}

function leaderTag(
  { topic, question }: Part,
  { services, version }: DoorContext,
  errorCode: number,
): Pick<PartitionAnswer, 'currentLeader'> {
  if (topic === undefined || version < leaderTagFrom || !leaderErrors.has(errorCode)) return {};
  return { currentLeader: leaderOf(services, topic, question.partition) };
}

function goodAnswer(partitionIndex: number, result: ReadResult, request: FetchRequest): PartitionAnswer {
  const { highWatermark, lastStableOffset, logStartOffset, diverging, records } = result;
  return {
    partitionIndex,
    errorCode: kafkaErrors.NONE,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions: isolationOf(request) === 'read-committed' ? result.aborted : null,
    records,
    ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
  };
}

function mayWait({ door, signal }: DoorContext): boolean {
  return !signal.aborted && door.waiters.count < maxWaiters;
}

/** Waits until something new can be read in any of the partitions, the time is up or the client is gone. */
async function waitForMore(
  parts: readonly Part[],
  { answers }: Read,
  ms: number,
  request: FetchRequest,
  context: DoorContext,
): Promise<void> {
  const { clock } = context.services.host;
  const { waiters } = context.door;
  const isolation = isolationOf(request);
  const startedAt = clock.now();
  const over = new AbortController();
  const stop = (): void => over.abort();
  context.signal.addEventListener('abort', stop, { once: true });
  const timer = clock.timer(ms, stop);
  waiters.count += 1;
  try {
    const waits = parts.flatMap(({ replica, question }, at) => {
      if (replica === undefined) return [];
      const answer = answers[at];
      const end = isolation === 'read-committed' ? answer?.lastStableOffset : answer?.highWatermark;
      // What was there is known; more means past the end that was seen.
      return [replica.readable(Math.max(question.fetchOffset, end ?? 0), isolation, over.signal)];
    });
    const timeUp = new Promise<void>((resolve) => {
      over.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([timeUp, ...waits]);
    context.services.host.telemetry.sometimes('long poll woken by records', !over.signal.aborted);
  } finally {
    waiters.count -= 1;
    timer.cancel();
    context.signal.removeEventListener('abort', stop);
    over.abort();
    context.waited(clock.now() - startedAt);
  }
}

function chargeFor(read: Read, context: DoorContext): number {
  // Counting records means walking over them: only where somebody limits their number.
  const records = quotaOf(context).fetchRate === undefined ? 0 : recordCount(read.answers);
  return charge(context, [
    ['fetchRate', records],
    ['fetchBytesRate', read.bytes],
  ]);
}

function groupByTopic(
  request: FetchRequest,
  parts: readonly (readonly Part[])[],
  read: Read,
  { door }: DoorContext,
): FetchResponse['responses'] {
  let at = 0;
  return request.topics.map(({ topic, topicId }, which) => {
    const own = parts[which] ?? [];
    const partitions = read.answers.slice(at, at + own.length);
    at += own.length;
    const bytes = partitions.reduce((sum, { records }) => sum + bytesOf(records), 0);
    const name = own[0]?.topic?.name;
    if (bytes > 0 && name !== undefined) door.hooks.fetched(name, bytes);
    return { topic, topicId, partitions };
  });
}

function bytesOf(records: PartitionAnswer['records']): number {
  if (records === null) return 0;
  return records instanceof Uint8Array ? records.length : records.reduce((sum, piece) => sum + piece.length, 0);
}

function namedEndpoints({ answers }: Read, { services }: DoorContext): ReturnType<typeof endpointsOf> {
  const leaders = answers.flatMap(({ currentLeader }) => currentLeader?.leaderId ?? []);
  return leaders.length === 0 ? [] : endpointsOf(services, leaders);
}
