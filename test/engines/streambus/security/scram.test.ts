import { createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Decoys } from '../../../../src/engines/streambus/security/decoys.ts';
import { createPlainServer } from '../../../../src/engines/streambus/security/plain.ts';
import { createScramServer } from '../../../../src/engines/streambus/security/scram.ts';
import { credentialOf, type ScramMechanism, scramHash } from '../../../../src/engines/streambus/security/scramKeys.ts';
import type { Clock } from '../../../../src/host/clock.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (given: Uint8Array): string => new TextDecoder().decode(given);
const decoyKey = new Uint8Array(32).fill(9);
const decoys = new Decoys({ now: () => 0 } as Clock, decoyKey, () => []); // it only reads the time

/** RFC 7677 §3: user "user", password "pencil". */
const rfc7677 = {
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

function rfcServer(password = 'pencil') {
  const salt = new Uint8Array(Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
  const credential = credentialOf('SCRAM-SHA-256', password, salt, 4096);
  return createScramServer({
    mechanism: 'SCRAM-SHA-256',
    credential: (user) => (user === 'user' ? credential : undefined),
    nonce: rfc7677.serverNonce,
    decoyKey,
    decoys,
  });
}

test('SCRAM-SHA-256 speaks the exchange of RFC 7677 byte for byte', () => {
  const server = rfcServer();
  const first = server.step(bytes(rfc7677.clientFirst));
  expect(first.kind === 'continue' && textOf(first.reply)).toBe(rfc7677.serverFirst);
  const last = server.step(bytes(rfc7677.clientFinal));
  expect(last).toMatchObject({ kind: 'done', user: 'user' });
  expect(last.kind === 'done' && textOf(last.reply)).toBe(rfc7677.serverFinal);
});

test('a wrong password, nonce, binding or proof fails, and the exchange is over', () => {
  const finals = [
    [rfcServer('pen'), rfc7677.clientFinal],
    [rfcServer(), rfc7677.clientFinal.replace('hvYD', 'hvYE')],
    [rfcServer(), rfc7677.clientFinal.replace('c=biws', 'c=eSws')],
    [rfcServer(), rfc7677.clientFinal.replace('p=dHz', 'p=dHy')],
    [rfcServer(), rfc7677.clientFinal.replace(/p=.*/, 'p=AAAA')],
    [rfcServer(), 'nonsense'],
  ] as const;
  for (const [server, final] of finals) {
    expect(server.step(bytes(rfc7677.clientFirst)).kind).toBe('continue');
    expect(server.step(bytes(final)).kind).toBe('failed');
    expect(server.step(bytes(rfc7677.clientFinal)).kind).toBe('failed');
  }
});

test('a user who does not exist gets the same salt each time and fails only at the end', () => {
  const firstOf = () => {
    const server = rfcServer();
    const first = server.step(bytes('n,,n=nobody,r=abc'));
    if (first.kind !== 'continue') throw new Error('expected the exchange to go on');
    const final = `c=biws,r=abc${rfc7677.serverNonce},p=${'A'.repeat(43)}=`;
    expect(server.step(bytes(final))).toEqual({ kind: 'failed', reason: 'authentication failed' });
    return textOf(first.reply);
  };
  expect(firstOf()).toBe(firstOf());
  expect(firstOf()).toMatch(/^r=abc.*,s=[A-Za-z0-9+/]{22}==,i=4096$/);
});

describe('first messages that are not taken', () => {
  const bad = [
    '',
    'n,,n=user',
    'n,,r=abc',
    'p=tls-unique,,n=user,r=abc',
    'n,a=other,n=user,r=abc',
    'n,,n=us=er,r=abc',
    'n,,n=user,r=a b',
    'x,,n=user,r=abc',
  ];
  for (const message of bad) {
    test(JSON.stringify(message), () => {
      expect(rfcServer().step(bytes(message)).kind).toBe('failed');
    });
  }
  test('more than 4,096 bytes, or no UTF-8', () => {
    expect(rfcServer().step(bytes(`n,,n=user,r=${'a'.repeat(5_000)}`)).kind).toBe('failed');
    expect(rfcServer().step(new Uint8Array([0xff, 0xfe])).kind).toBe('failed');
  });
});

/** A client written from RFC 5802 by itself, for names and mechanisms that the vectors do not have. */
function clientFinalOf(
  mechanism: ScramMechanism,
  password: string,
  header: string,
  bare: string,
  serverFirst: string,
  sentNonce?: string,
): string {
  const name = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]*),s=([^,]*),i=(.*)$/.exec(serverFirst) ?? [];
  const length = mechanism === 'SCRAM-SHA-256' ? 32 : 64;
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), length, name);
  const hmac = (key: Uint8Array, message: string) => createHmac(name, key).update(message).digest();
  const clientKey = hmac(salted, 'Client Key');
  const without = `c=${Buffer.from(header).toString('base64')},r=${sentNonce ?? nonce}`;
  const signature = hmac(Buffer.from(scramHash(mechanism, clientKey)), `${bare},${serverFirst},${without}`);
  const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
  return `${without},p=${Buffer.from(proof).toString('base64')}`;
}

test('names with commas and equals signs, extensions and SHA-512 work', () => {
  const user = 'a,b=c';
  const credential = credentialOf('SCRAM-SHA-512', 'pässword', new Uint8Array(16).fill(3), 8_192);
  const bare = 'n=a=2Cb=3Dc,r=cli,tokenauth=false';
  for (const header of ['n,a=a=2Cb=3Dc,', 'n,,', 'y,,']) {
    const server = createScramServer({
      mechanism: 'SCRAM-SHA-512',
      credential: (asked) => (asked === user ? credential : undefined),
      nonce: 'srv',
      decoyKey,
      decoys,
    });
    const first = server.step(bytes(`${header}${bare}`));
    if (first.kind !== 'continue') throw new Error('expected the exchange to go on');
    const final = clientFinalOf('SCRAM-SHA-512', 'pässword', header, bare, textOf(first.reply));
    expect(server.step(bytes(final))).toMatchObject({ kind: 'done', user });
  }
});

test('the nonce may have that of the client before it once more, as old librdkafka sends it, but must end with what was given', () => {
  const credential = credentialOf('SCRAM-SHA-256', 'secret', new Uint8Array(16).fill(2), 4_096);
  const finish = (change: (serverFirst: string) => string) => {
    const server = createScramServer({
      mechanism: 'SCRAM-SHA-256',
      credential: () => credential,
      nonce: 'srv',
      decoyKey,
      decoys,
    });
    const first = server.step(bytes('n,,n=u,r=cli'));
    if (first.kind !== 'continue') throw new Error('expected the exchange to go on');
    const serverFirst = textOf(first.reply);
    const final = clientFinalOf('SCRAM-SHA-256', 'secret', 'n,,', 'n=u,r=cli', serverFirst, change(serverFirst));
    return server.step(bytes(final)).kind;
  };
  expect(finish(() => 'clisrv')).toBe('done');
  expect(finish(() => 'cliclisrv')).toBe('done');
  expect(finish(() => 'srv')).toBe('failed');
  expect(finish(() => 'clisrvx')).toBe('failed');
});

test('PLAIN checks the password against the stored credential of either mechanism', () => {
  const credential = credentialOf('SCRAM-SHA-256', 'secret', new Uint8Array(16).fill(1), 4_096);
  const server = () =>
    createPlainServer(
      (user, mechanism) => (user === 'alice' && mechanism === 'SCRAM-SHA-256' ? credential : undefined),
      (_, password) => (password === 'secret' ? 'right' : password === 'unheard' ? 'too-many-failures' : 'wrong'),
    );
  expect(server().step(bytes('\0alice\0secret'))).toMatchObject({ kind: 'done', user: 'alice' });
  expect(server().step(bytes('alice\0alice\0secret'))).toMatchObject({ kind: 'done', user: 'alice' });
  for (const bad of ['\0alice\0wrong', '\0bob\0secret', 'bob\0alice\0secret', '\0alice', '\0alice\0secret\0more', '']) {
    expect(server().step(bytes(bad)).kind).toBe('failed');
  }
  const turnedAway = 'too many wrong passwords of late, this one was not looked at: wait a few seconds';
  expect(server().step(bytes('\0alice\0unheard'))).toEqual({ kind: 'failed', reason: turnedAway });
});
