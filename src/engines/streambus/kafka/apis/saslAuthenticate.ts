import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../../../../wire/kafka/messages/saslAuthenticate.ts';
import type { DoorContext } from '../doorContext.ts';
import { saslStep } from '../saslStep.ts';

const nothing = new Uint8Array(0);

/** SaslAuthenticate: one message of the exchange that a handshake began. A failure is told, then the connection ends. */
export async function saslAuthenticate(
  request: SaslAuthenticateRequest,
  context: DoorContext,
): Promise<SaslAuthenticateResponse> {
  const { door, session } = context;
  if (!session.sasl.isUnderWay) {
    context.closeAfter();
    return {
      errorCode: kafkaErrors.ILLEGAL_SASL_STATE,
      errorMessage: 'expected a SaslHandshake first',
      authBytes: nothing,
    };
  }
  const step = saslStep(door, session, request.authBytes);
  if (step.kind === 'failed') {
    door.hooks.refused('not-authenticated');
    door.host.telemetry.logger.warn('kafka authentication failed', {
      connection: session.connection,
      client: session.clientHost,
      mechanism: session.sasl.mechanism,
      reason: step.reason,
    });
    context.closeAfter();
    return { errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: step.reason, authBytes: nothing };
  }
  const lifetimeMs = step.kind === 'done' ? door.services.config.security.sasl.session_lifetime : undefined;
  return { errorCode: kafkaErrors.NONE, authBytes: step.reply, sessionLifetimeMs: lifetimeMs ?? 0 };
}
