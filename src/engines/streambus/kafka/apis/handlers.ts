import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { DoorContext } from '../doorContext.ts';
import { apiVersions } from './apiVersions.ts';
import { fetch } from './fetch.ts';
import { listOffsets } from './listOffsets.ts';
import { metadata } from './metadata.ts';
import { offsetForLeaderEpoch } from './offsetForLeaderEpoch.ts';
import { produce } from './produce.ts';
import { saslAuthenticate } from './saslAuthenticate.ts';
import { saslHandshake } from './saslHandshake.ts';

/**
 * A handler as the table holds it: the door calls it only with what the decoder of its key gave, so its own request type is safe
 * there. Every `ApiHandler<Request, Response>` is one.
 */
export type AnyApiHandler = (request: never, context: DoorContext) => Promise<unknown>;

/** Who answers which Kafka API, by its key. What is not here is unknown: the connection is closed. */
export const handlers: ReadonlyMap<number, AnyApiHandler> = new Map<number, AnyApiHandler>([
  [apiKeys.Produce, produce],
  [apiKeys.Fetch, fetch],
  [apiKeys.ListOffsets, listOffsets],
  [apiKeys.Metadata, metadata],
  [apiKeys.SaslHandshake, saslHandshake],
  [apiKeys.ApiVersions, apiVersions],
  [apiKeys.OffsetForLeaderEpoch, offsetForLeaderEpoch],
  [apiKeys.SaslAuthenticate, saslAuthenticate],
]);
