import type { AclBinding, AclOperation } from '../meta/metadata.ts';
import type { BrokerServices } from '../services.ts';

/** Who sent a request, and how. */
export interface RequestContext {
  readonly services: BrokerServices;
  readonly apiKey: number;
  readonly version: number;
  readonly clientId: string;
  /** `User:alice`; `User:ANONYMOUS` without SASL. */
  readonly principal: string;
  /** Address of the client, as group descriptions show it. */
  readonly clientHost: string;
  /** Number of the connection: those that opened later are larger. */
  readonly connection: number;
  /** Whether the principal may; deny wins, super users may everything, without ACLs everybody may. */
  authorize(operation: AclOperation, type: AclBinding['resourceType'], name: string): boolean;
  /** Whether the principal may on at least one resource of the type. */
  authorizeSome(operation: AclOperation, type: AclBinding['resourceType']): boolean;
  /** Fires when the connection is lost or the broker stops. */
  readonly signal: AbortSignal;
  /** Time deliberately spent waiting (long polls, joins): it does not count as work in `request_duration_seconds`. */
  waited(ms: number): void;
}

/**
 * Answers one Kafka API: takes the decoded request, gives the response to encode (fields as in Kafka's definitions, in camel case).
 * Undefined: no answer is sent (acks=0). It must not throw for bad input: that has an error number.
 */
export type ApiHandler<Request, Response> = (
  request: Request,
  context: RequestContext,
) => Promise<Response | undefined>;
