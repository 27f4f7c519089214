import { type ApiInfo, apiKeys } from '../../../wire/kafka/apis.ts';
import { decodeRequest, decodeRequestHeader, encodeResponse, type RequestHeader } from '../../../wire/kafka/codec.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { ResponseOf } from '../../../wire/kafka/messages.ts';
import { KafkaCodecError } from '../../../wire/kafka/schema/error.ts';
import { isoTime } from '../../isoTime.ts';
import type { AclBinding, AclOperation } from '../meta/metadata.ts';
import { handlers } from './apis/handlers.ts';
import type { Door } from './door.ts';
import type { DoorContext, SlowPart } from './doorContext.ts';
import { DropConnection } from './dropConnection.ts';

import { countErrors } from './errorCount.ts';
import { isProduceTooOld, refusal } from './refusal.ts';
import { saslStep } from './saslStep.ts';
import type { Session } from './session.ts';

/** What goes back to the client for one request. */
export interface Answer {
  /** Whole frames, with their lengths; none for a request that is not answered. */
  readonly pieces: readonly Uint8Array[];
  /** The client is not read from for so long. */
  readonly muteMs: number;
  /** The connection is closed once this is written. */
  readonly closeAfter: boolean;
}

export interface Dispatched {
  /** Rejects with `DropConnection`: no answer, the connection is closed. Any other rejection is a defect, with the same end. */
  readonly answer: Promise<Answer>;
  /** The next request is not to be begun before this one is answered. */
  readonly isBarrier: boolean;
}

/** What may be asked before it is known who asks. */
const beforeAuthentication: ReadonlySet<number> = new Set([
  apiKeys.ApiVersions,
  apiKeys.SaslHandshake,
  apiKeys.SaslAuthenticate,
]);

/** What a connection above the limit may not ask: everything that is work, not administration. */
const work: ReadonlySet<number> = new Set([
  apiKeys.Produce,
  apiKeys.Fetch,
  apiKeys.ListOffsets,
  apiKeys.OffsetCommit,
  apiKeys.OffsetFetch,
  apiKeys.JoinGroup,
  apiKeys.SyncGroup,
  apiKeys.Heartbeat,
  apiKeys.InitProducerId,
  apiKeys.AddPartitionsToTxn,
  apiKeys.AddOffsetsToTxn,
  apiKeys.EndTxn,
  apiKeys.TxnOffsetCommit,
]);

/**
 * Begins a request: everything up to the handler's first wait happens within this call, so requests of a connection are proposed
 * in the order in which they came.
 */
export function dispatch(door: Door, session: Session, frame: Uint8Array): Dispatched {
  if (session.sasl.isRaw) return { answer: answerRaw(door, session, frame), isBarrier: true };
  try {
    const header = readHeader(frame);
    const isBarrier = header.apiKey === apiKeys.SaslHandshake || header.apiKey === apiKeys.SaslAuthenticate;
    return { answer: begin(door, session, header), isBarrier };
  } catch (error) {
    return { answer: Promise.reject(error), isBarrier: false };
  }
}

async function answerRaw(door: Door, session: Session, frame: Uint8Array): Promise<Answer> {
  const step = saslStep(door, session, frame);
  // A bare exchange has no place for an error: the end of the connection says it.
  if (step.kind === 'failed') throw new DropConnection('not-authenticated', step.reason);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setInt32(0, step.reply.length);
  return { pieces: [length, step.reply], muteMs: 0, closeAfter: false };
}

function readHeader(frame: Uint8Array): RequestHeader {
  try {
    return decodeRequestHeader(frame);
  } catch (error) {
    if (error instanceof KafkaCodecError) throw new DropConnection('bad-request', error.message);
    throw error;
  }
}

function begin(door: Door, session: Session, header: RequestHeader): Promise<Answer> {
  const { api, apiVersion: version } = header;
  const handler = handlers.get(header.apiKey);
  if (api === undefined || handler === undefined) {
    throw new DropConnection('unknown-api', `no API has the key ${header.apiKey}`);
  }
  if (header.body === undefined) {
    // A client that asks which versions there are cannot know yet which it may ask in: it is answered in the oldest one.
    if (api.key === apiKeys.ApiVersions) return refuse(door, api, header, 0, kafkaErrors.UNSUPPORTED_VERSION);
    throw new DropConnection('bad-version', `expected ${api.name} ${api.min} to ${api.max}, got ${version}`);
  }
  checkAdmission(door, session, api);
  if (!session.isAuthenticated && !beforeAuthentication.has(api.key)) {
    return refuse(door, api, header, version, kafkaErrors.ILLEGAL_SASL_STATE);
  }
  let request: unknown;
  try {
    request = decodeRequest(api.key, version, header.body);
  } catch (error) {
    if (!(error instanceof KafkaCodecError)) throw error;
    door.host.telemetry.logger.info('kafka request not understood', {
      connection: session.connection,
      client: session.clientHost,
      error: error.message,
    });
    return refuse(door, api, header, version, kafkaErrors.INVALID_REQUEST);
  }
  if (version < api.min || (api.key === apiKeys.Produce && isProduceTooOld(version))) {
    return refuse(door, api, header, version, kafkaErrors.UNSUPPORTED_VERSION, request);
  }
  // The table holds a handler beside the key of the decoder that made the request.
  return answer(door, session, api, header, (context) => handler(request as never, context));
}

/** An answer that says only what is wrong; throws `DropConnection` where this version has no place for that. */
async function refuse(
  door: Door,
  api: ApiInfo,
  header: RequestHeader,
  version: number,
  code: number,
  request?: unknown,
): Promise<Answer> {
  const response = refusal(api, version, code, request);
  door.hooks.requestFailed(api.name, code);
  if (response === undefined) {
    throw new DropConnection('bad-request', `${api.name} ${version}: no place in the answer for error ${code}`);
  }
  return { pieces: encode(api, version, header, response), muteMs: 0, closeAfter: false };
}

function encode(api: ApiInfo, version: number, header: RequestHeader, response: unknown): Uint8Array[] {
  // The response was made for this key: by its handler, or from its definition.
  return encodeResponse(api.key, version, header.correlationId, response as ResponseOf<typeof api.key>);
}

/** Sends away who may not ask this on this connection. */
function checkAdmission(door: Door, session: Session, api: ApiInfo): void {
  if (session.isAdminOnly && work.has(api.key)) {
    throw new DropConnection('too-many-connections', `${api.name} on a connection that is kept for administration`);
  }
  const { expiresAt } = session;
  const isExpired = expiresAt !== undefined && door.host.clock.now() >= expiresAt;
  if (isExpired && !beforeAuthentication.has(api.key)) {
    throw new DropConnection('session-expired', `${api.name} after the end of the authenticated session`);
  }
}

async function answer(
  door: Door,
  session: Session,
  api: ApiInfo,
  header: RequestHeader,
  call: (context: DoorContext) => Promise<unknown>,
): Promise<Answer> {
  const { clock } = door.host;
  const startedAt = clock.now();
  const tally = new Tally(door, session, header);
  const response = await call(tally);
  const workMs = Math.max(0, clock.now() - startedAt - tally.waitedMs);
  door.hooks.requestDone(api.name, workMs / 1_000);
  if (tally.muteMs > 0) door.hooks.throttled(tally.muteMs / 1_000);
  noteSlow(door, api, header, tally, workMs);
  const end = { muteMs: tally.muteMs, closeAfter: tally.isLast };
  if (response === undefined) return { pieces: [], ...end };
  countErrors(response, (code) => door.hooks.requestFailed(api.name, code));
  return { pieces: encode(api, header.apiVersion, header, response), ...end };
}

function noteSlow(door: Door, api: ApiInfo, header: RequestHeader, tally: Tally, workMs: number): void {
  if (!door.slowLog.isSlow(workMs)) return;
  const { slowest } = tally;
  door.slowLog.add({
    at: isoTime(door.host.clock.wall()),
    api: api.name,
    client_id: header.clientId ?? '',
    topic: slowest?.topic ?? null,
    partition: slowest?.partition ?? null,
    duration_ms: workMs,
    journal_ms: slowest?.journalMs ?? null,
    replicate_ms: slowest?.replicateMs ?? null,
  });
}

/** The context of one request, and what its handler told of it. */
class Tally implements DoorContext {
  readonly door: Door;
  readonly session: Session;
  readonly apiKey: number;
  readonly version: number;
  readonly clientId: string;
  waitedMs = 0;
  muteMs = 0;
  isLast = false;
  slowest: SlowPart | undefined;

  constructor(door: Door, session: Session, header: RequestHeader) {
    this.door = door;
    this.session = session;
    this.apiKey = header.apiKey;
    this.version = header.apiVersion;
    this.clientId = header.clientId ?? '';
  }

  get services(): DoorContext['services'] {
    return this.door.services;
  }

  get principal(): string {
    return this.session.principal;
  }

  get clientHost(): string {
    return this.session.clientHost;
  }

  get connection(): number {
    return this.session.connection;
  }

  get signal(): AbortSignal {
    return this.session.signal;
  }

  authorize(operation: AclOperation, type: AclBinding['resourceType'], name: string): boolean {
    return this.door.authorizer.allows({ principal: this.principal, host: this.clientHost, operation, type, name });
  }

  authorizeSome(operation: AclOperation, type: AclBinding['resourceType']): boolean {
    return this.door.authorizer.allowsSome({ principal: this.principal, host: this.clientHost, operation, type });
  }

  waited(ms: number): void {
    this.waitedMs += ms;
  }

  mute(ms: number): number {
    this.muteMs = Math.max(this.muteMs, ms);
    return ms;
  }

  part(part: SlowPart): void {
    if (this.slowest === undefined || part.durationMs > this.slowest.durationMs) this.slowest = part;
  }

  closeAfter(): void {
    this.isLast = true;
  }
}
