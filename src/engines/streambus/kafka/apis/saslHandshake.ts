import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { SaslHandshakeRequest, SaslHandshakeResponse } from '../../../../wire/kafka/messages/saslHandshake.ts';
import type { DoorContext } from '../doorContext.ts';

/** SaslHandshake: chooses the mechanism. After version 0 the messages of the exchange follow bare, without a request around them. */
export async function saslHandshake(
  request: SaslHandshakeRequest,
  { door, session, version }: DoorContext,
): Promise<SaslHandshakeResponse> {
  const mechanisms = [...door.sasl.mechanisms];
  if (mechanisms.length === 0) return { errorCode: kafkaErrors.ILLEGAL_SASL_STATE, mechanisms };
  const isOffered = session.sasl.handshake(request.mechanism, version === 0);
  return { errorCode: isOffered ? kafkaErrors.NONE : kafkaErrors.UNSUPPORTED_SASL_MECHANISM, mechanisms };
}
