import { ClientError } from '../../../../src/engines/streambus/client/clientError.ts';

/** The client's error with which it fails; anything else is thrown on. */
export async function failureOf(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ClientError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}
