import type { SaslStep } from '../security/scram.ts';
import type { Door } from './door.ts';
import type { Session } from './session.ts';

/** Takes the next message of an exchange, and makes the session that of the user when it was the last one. */
export function saslStep(door: Door, session: Session, message: Uint8Array): SaslStep {
  const wasUser = session.isAuthenticated && session.principal;
  const step = session.sasl.step(message);
  if (step.kind !== 'done') return step;
  const principal = `User:${step.user}`;
  // KIP-368: a connection stays that of one user; what it has begun was permitted to that one.
  if (wasUser !== false && wasUser !== principal) {
    return { kind: 'failed', reason: `expected ${wasUser} to authenticate again, got another user` };
  }
  session.principal = principal;
  session.isAuthenticated = true;
  const lifetimeMs = door.services.config.security.sasl.session_lifetime;
  session.expiresAt = lifetimeMs === undefined ? undefined : door.host.clock.now() + lifetimeMs;
  return step;
}
