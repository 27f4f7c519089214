import type { ScramCredential } from '../meta/metadata.ts';
import type { PasswordVerdict } from './passwordCheck.ts';
import type { SaslExchange, SaslStep } from './scram.ts';
import type { ScramMechanism } from './scramKeys.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });
const maxMessageBytes = 4_096;
const failed = (reason: string): SaslStep => ({ kind: 'failed', reason });

/**
 * The server's side of PLAIN (RFC 4616). Passwords are not stored: the one that came is checked against the user's SCRAM
 * credential. The caller offers it only over TLS.
 */
export function createPlainServer(
  credential: (user: string, mechanism: ScramMechanism) => ScramCredential | undefined,
  check: (user: string, password: string, stored: ScramCredential | undefined) => PasswordVerdict,
): SaslExchange {
  return {
    step(bytes) {
      const parts = split(bytes);
      if (parts === undefined) return failed('expected authorization, name and password, separated by NUL');
      const { authorized, user, password } = parts;
      if (authorized !== '' && authorized !== user) return failed('acting for another user is not offered');
      const stored = credential(user, 'SCRAM-SHA-512') ?? credential(user, 'SCRAM-SHA-256');
      const verdict = check(user, password, stored);
      // A user who does not exist is never right, whatever the check says.
      if (verdict === 'right' && stored !== undefined) return { kind: 'done', reply: new Uint8Array(0), user };
      if (verdict !== 'too-many-failures') return failed('authentication failed');
      return failed('too many wrong passwords of late, this one was not looked at: wait a few seconds');
    },
  };
}

function split(bytes: Uint8Array): { authorized: string; user: string; password: string } | undefined {
  if (bytes.length > maxMessageBytes) return undefined;
  try {
    const [authorized, user, password, ...rest] = decoder.decode(bytes).split('\0');
    if (authorized === undefined || user === undefined || password === undefined || rest.length > 0) return undefined;
    return user === '' || password === '' ? undefined : { authorized, user, password };
  } catch {
    return undefined;
  }
}
