import type { Millis } from '../../../host/clock.ts';
import { SaslConversation } from '../security/sasl.ts';
import type { Door } from './door.ts';

/** Who is at the other end of a connection, as far as is known. */
export interface Session {
  /** Number of the connection: those that opened later are larger. */
  readonly connection: number;
  readonly clientHost: string;
  /** `User:alice`; `User:ANONYMOUS` as long as nobody has shown who they are. */
  principal: string;
  isAuthenticated: boolean;
  /** Monotonic time until which the authentication holds; undefined: for ever. */
  expiresAt: Millis | undefined;
  readonly sasl: SaslConversation;
  /** The connection was accepted above the limit: it may do nothing but administration. */
  readonly isAdminOnly: boolean;
  /** Settles when the last produce request of the connection has proposed what it had: the next one may. */
  produceTurn: Promise<void> | undefined;
  /** Fetches of the connection that are under way. */
  fetches: number;
  /** Fires when the connection is lost or the broker stops. */
  readonly signal: AbortSignal;
}

export const anonymous = 'User:ANONYMOUS';

/** The session of a connection that has just opened. */
export function openSession(
  door: Door,
  options: Pick<Session, 'connection' | 'clientHost' | 'isAdminOnly' | 'signal'>,
): Session {
  const clientHost = withoutMapping(options.clientHost);
  return {
    ...options,
    clientHost,
    principal: anonymous,
    isAuthenticated: door.sasl.mechanisms.length === 0,
    expiresAt: undefined,
    sasl: new SaslConversation(door.sasl, clientHost),
    produceTurn: undefined,
    fetches: 0,
  };
}

/** An IPv4 address as rules name it, also where the listener is one of IPv6. */
function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
