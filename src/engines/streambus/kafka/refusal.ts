import { type ApiInfo, apiKeys, apis } from '../../../wire/kafka/apis.ts';
import { messages, type RequestOf, type ResponseOf } from '../../../wire/kafka/messages.ts';
import type { Field, Shape } from '../../../wire/kafka/schema/types.ts';

/** Clients older than Produce 3 send batches of older formats. */
const firstProduce = 3;

/**
 * An answer that says nothing but an error, where this version has a place for one: at its head, or beside each partition that the
 * request named. Undefined: there is none.
 *
 * @param request the decoded request; undefined when it could not be read
 */
export function refusal(api: ApiInfo, version: number, code: number, request: unknown): unknown {
  if (api.key === apiKeys.ApiVersions) return versionsAnswer(code);
  const { response } = messages[api.key];
  const head = response.fields?.errorCode;
  if (head !== undefined && hasField(head, version)) {
    return { ...zeroOfStruct(response, version), errorCode: code };
  }
  return request === undefined ? undefined : perPartition(api.key, code, request);
}

/** What ApiVersions answers in every version: also with an error it lists what is spoken. */
export function versionsAnswer(errorCode: number): ResponseOf<typeof apiKeys.ApiVersions> {
  return {
    errorCode,
    apiKeys: apis.map(({ key, min, max }) => ({ apiKey: key, minVersion: min, maxVersion: max })),
    supportedFeatures: [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }],
    finalizedFeaturesEpoch: 1,
    finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }],
  };
}

/** Produce below 3 is advertised for librdkafka's sake, which looks for it before it compresses; it is not taken. */
export function isProduceTooOld(version: number): boolean {
  return version < firstProduce;
}

/** Answers of versions that have no error at their head, for requests that were read. */
function perPartition(key: ApiInfo['key'], errorCode: number, request: unknown): unknown {
  switch (key) {
    case apiKeys.Produce:
      return produceError(request as RequestOf<typeof apiKeys.Produce>, errorCode); // decoded by this key
    case apiKeys.Fetch: {
      const { topics } = request as RequestOf<typeof apiKeys.Fetch>; // decoded by this key
      const responses = topics.map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.map(({ partition }) => ({
          partitionIndex: partition,
          errorCode,
          highWatermark: -1,
          records: null,
        })),
      }));
      return { responses } satisfies ResponseOf<typeof apiKeys.Fetch>;
    }
    case apiKeys.ListOffsets: {
      const { topics } = request as RequestOf<typeof apiKeys.ListOffsets>; // decoded by this key
      const answers = topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      }));
      return { topics: answers } satisfies ResponseOf<typeof apiKeys.ListOffsets>;
    }
    case apiKeys.OffsetForLeaderEpoch: {
      const { topics } = request as RequestOf<typeof apiKeys.OffsetForLeaderEpoch>; // decoded by this key
      const answers = topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
      }));
      return { topics: answers } satisfies ResponseOf<typeof apiKeys.OffsetForLeaderEpoch>;
    }
    case apiKeys.OffsetCommit: {
      const { topics } = request as RequestOf<typeof apiKeys.OffsetCommit>; // decoded by this key
      const answers = topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      }));
      return { topics: answers } satisfies ResponseOf<typeof apiKeys.OffsetCommit>;
    }
    default:
      return undefined;
  }
}

/** The same error for every partition of a produce request; it says that nothing was appended. */
export function produceError(
  request: RequestOf<typeof apiKeys.Produce>,
  errorCode: number,
  errorMessage: string | null = null,
): ResponseOf<typeof apiKeys.Produce> {
  return {
    responses: request.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1, errorMessage })),
    })),
  };
}

function isField(member: Shape | Field): member is Field {
  return 'shape' in member;
}

function hasField(member: Shape | Field, version: number): boolean {
  return !isField(member) || (member.since <= version && version <= member.until);
}

/** A value for every field that encoding must be given. */
function zeroOfStruct(shape: Shape, version: number): Record<string, unknown> {
  const zero: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(shape.fields ?? {})) {
    if (isField(member) && member.fallback !== undefined) continue;
    zero[name] = zeroOf(isField(member) ? member.shape : member, version);
  }
  return zero;
}

function zeroOf(shape: Shape, version: number): unknown {
  if (shape.nullableFrom !== undefined && shape.nullableFrom <= version) return null;
  switch (shape.kind) {
    case 'bool':
      return false;
    case 'string':
      return '';
    case 'array':
      return [];
    case 'struct':
      return zeroOfStruct(shape, version);
    case 'bytes':
    case 'records':
      return new Uint8Array(0);
    case 'uuid':
      return new Uint8Array(16);
    default:
      return 0;
  }
}
