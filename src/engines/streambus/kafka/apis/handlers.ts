import type { DoorContext } from '../doorContext.ts';

/**
 * A handler as the table holds it: the door calls it only with what the decoder of its key gave, so its own request type is safe
 * there. Every `ApiHandler<Request, Response>` is one.
 */
export type AnyApiHandler = (request: never, context: DoorContext) => Promise<unknown>;

/** Who answers which Kafka API, by its key. What is not here is unknown: the connection is closed. */
export const handlers: ReadonlyMap<number, AnyApiHandler> = new Map<number, AnyApiHandler>([]);
