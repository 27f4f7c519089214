/**
 * The doors of the Kafka codec: frames in, typed messages out, and back. A frame here is what follows the four bytes of
 * length; what is encoded begins with them. Writers and readers are built at the first use of a version and kept.
 */
import { type ApiInfo, type ApiKey, apiKeys, apiOf } from './apis.ts';
import { messages, type RequestInput, type RequestOf, type ResponseOf, type ResponseOutput } from './messages.ts';
import { compileRead, compileWrite, type Read, type Write } from './schema/compile.ts';
import { KafkaCodecError } from './schema/error.ts';
import { Reader } from './schema/reader.ts';
import { Writer } from './schema/writer.ts';

/** List elements in one request, over all its lists: an element of a byte can cost a hundred in memory. */
export const requestElementsMax = 262_144;
/** The same of a response, whose sender the client chose. */
export const responseElementsMax = 16_777_216;
/** Shorter frames have no header. */
export const frameBytesMin = 8;

/** What precedes a request's body. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** Null as sent, and where the header's shape is unknown. */
  readonly clientId: string | null;
  /** The API, when it is spoken at all. */
  readonly api: ApiInfo | undefined;
  /** Undefined when the shape of this version is not known. */
  readonly body: Uint8Array | undefined;
}

type Direction = 'request' | 'response';

interface Compiled {
  readonly name: string;
  readonly flexible: boolean;
  readonly read: Read;
  readonly write: Write;
}

const compiled: Readonly<Record<Direction, Map<number, Compiled>>> = { request: new Map(), response: new Map() };

function codecOf(direction: Direction, apiKey: ApiKey, version: number): Compiled {
  const index = apiKey * 64 + version;
  const known = compiled[direction].get(index);
  if (known !== undefined) return known;
  const api = apiOf(apiKey);
  const name = `${api?.name ?? `api ${apiKey}`}${direction === 'request' ? 'Request' : 'Response'} v${version}`;
  if (api === undefined || !Number.isInteger(version) || version < api.lowest || version > api.max) {
    throw new KafkaCodecError('this version is not spoken', '', -1, name);
  }
  const shape = messages[apiKey][direction];
  const flexible = version >= api.flexibleFrom;
  const made: Compiled = {
    name,
    flexible,
    read: compileRead(shape, version, flexible),
    write: compileWrite(shape, version, flexible),
  };
  compiled[direction].set(index, made);
  return made;
}

/** Runs `work`; a codec error from it gets the message's name. */
function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof KafkaCodecError ? error.of(name) : error;
  }
}

function skipTags(reader: Reader): void {
  reader.field = 'tagged fields';
  for (let left = reader.uvarint(); left > 0; left--) {
    reader.uvarint();
    reader.view(reader.uvarint());
  }
}

/** Reads a request's header. Throws `KafkaCodecError` for a frame that has none: nothing can be answered then. */
export function decodeRequestHeader(frame: Uint8Array): RequestHeader {
  const reader = new Reader(frame, 0);
  return named('RequestHeader', () => {
    const apiKey = reader.int16();
    const apiVersion = reader.int16();
    const correlationId = reader.int32();
    const api = apiOf(apiKey);
    if (api === undefined || apiVersion < api.lowest || apiVersion > api.max) {
      return { apiKey, apiVersion, correlationId, clientId: null, api, body: undefined };
    }
    reader.field = 'clientId';
    const length = reader.int16();
    if (length < -1) throw reader.error(`expected a length, got ${length}`);
    const clientId = length === -1 ? null : reader.text(length);
    if (apiVersion >= api.flexibleFrom) skipTags(reader);
    return { apiKey, apiVersion, correlationId, clientId, api, body: frame.subarray(reader.at) };
  });
}

/**
 * Apache Kafka overlooks what follows a request. Here it is only what librdkafka (version 2.15 still does) is known to leave there: a
 * second, empty set of tagged fields behind one request; and of the four bytes that it keeps for the count of topics, the three spare
 * ones when it asks for all topics, whose count is one byte.
 */
function isKnownPadding(apiKey: ApiKey, reader: Reader, body: Uint8Array): boolean {
  const left = reader.end - reader.at;
  if (apiKey === apiKeys.AlterUserScramCredentials) return left === 1 && body[reader.at] === 0;
  const isAllTopics = body.length === 7 && body.subarray(0, 4).every((byte) => byte === 0);
  return apiKey === apiKeys.Metadata && isAllTopics && left === 3;
}

function readAll(codec: Compiled, reader: Reader, isPadded: () => boolean = () => false): unknown {
  return named(codec.name, () => {
    const value = codec.read(reader);
    if (reader.at !== reader.end && !isPadded()) {
      reader.field = '';
      throw reader.error(`the message ended, ${reader.end - reader.at} bytes follow it`);
    }
    return value;
  });
}

/** Reads a request's body; byte fields are views of it. Throws `KafkaCodecError`. */
export function decodeRequest<K extends ApiKey>(apiKey: K, version: number, body: Uint8Array): RequestOf<K> {
  const codec = codecOf('request', apiKey, version);
  const reader = new Reader(body, requestElementsMax);
  const isPadded = () => codec.flexible && isKnownPadding(apiKey, reader, body);
  return readAll(codec, reader, isPadded) as RequestOf<K>; // the shape of this key was read
}

/** Puts the length before what was written after four bytes were kept free for it. */
function framed(writer: Writer): Uint8Array[] {
  const length = writer.length - 4;
  const pieces = writer.finish();
  const first = pieces[0];
  if (first === undefined) throw new Error('a frame without its length');
  new DataView(first.buffer, first.byteOffset, 4).setInt32(0, length);
  return pieces;
}

/**
 * A whole response with its length, in pieces to be sent in this order; records are the pieces that were given, not copied.
 * ApiVersions has the oldest header at every version, so that any client can read it. Throws `KafkaCodecError`.
 */
export function encodeResponse<K extends ApiKey>(
  apiKey: K,
  version: number,
  correlationId: number,
  body: ResponseOf<K>,
): Uint8Array[] {
  const codec = codecOf('response', apiKey, version);
  return named(codec.name, () => {
    const writer = new Writer();
    writer.int32(0);
    writer.int32(correlationId);
    if (codec.flexible && apiKey !== apiKeys.ApiVersions) writer.uvarint(0);
    codec.write(writer, body);
    return framed(writer);
  });
}

/** A whole request with its length, in pieces to be sent in this order. Throws `KafkaCodecError`. */
export function encodeRequest<K extends ApiKey>(
  apiKey: K,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: RequestInput<K>,
): Uint8Array[] {
  const codec = codecOf('request', apiKey, version);
  return named(codec.name, () => {
    const writer = new Writer();
    writer.int32(0);
    writer.int16(apiKey);
    writer.int16(version);
    writer.int32(correlationId);
    if (clientId === null) writer.int16(-1);
    else writer.string(clientId, false);
    if (codec.flexible) writer.uvarint(0);
    codec.write(writer, body);
    return framed(writer);
  });
}

/** The number by which a response finds its request. Throws `KafkaCodecError` for a frame that has none. */
export function correlationIdOf(frame: Uint8Array): number {
  return new Reader(frame, 0).int32();
}

/** Reads a whole response frame; byte fields are views of it. Throws `KafkaCodecError`. */
export function decodeResponse<K extends ApiKey>(apiKey: K, version: number, frame: Uint8Array): ResponseOutput<K> {
  const codec = codecOf('response', apiKey, version);
  const reader = new Reader(frame, responseElementsMax);
  named(codec.name, () => {
    reader.field = 'correlationId';
    reader.int32();
    if (codec.flexible && apiKey !== apiKeys.ApiVersions) skipTags(reader);
  });
  return readAll(codec, reader) as ResponseOutput<K>; // the shape of this key was read
}
