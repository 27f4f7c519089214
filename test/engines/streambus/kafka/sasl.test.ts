import { createHmac, pbkdf2Sync } from 'node:crypto';
import { expect, test } from 'vitest';
import { credentialOf, type ScramMechanism, scramHash } from '../../../../src/engines/streambus/security/scramKeys.ts';
import { apiKeys } from '../../../../src/wire/kafka/apis.ts';
import type { DoorWorld } from './support/doorWorld.ts';
import { withDoor } from './support/doorWorld.ts';
import type { WireClient } from './support/wireClient.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (given: Uint8Array): string => new TextDecoder().decode(given);
const mechanism: ScramMechanism = 'SCRAM-SHA-256';

function addUser({ services }: DoorWorld, user: string, password: string): void {
  services.credentialMap.set(user, [credentialOf(mechanism, password, new Uint8Array(16).fill(5), 4_096)]);
}

function finalOf(password: string, bare: string, serverFirst: string): string {
  const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]*),s=([^,]*),i=(.*)$/.exec(serverFirst) ?? [];
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const hmac = (key: Uint8Array, message: string) => createHmac('sha256', key).update(message).digest();
  const clientKey = hmac(salted, 'Client Key');
  const without = `c=biws,r=${nonce}`;
  const signature = hmac(Buffer.from(scramHash(mechanism, clientKey)), `${bare},${serverFirst},${without}`);
  const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
  return `${without},p=${Buffer.from(proof).toString('base64')}`;
}

async function login(client: WireClient, user: string, password: string) {
  const handshake = await client.call(apiKeys.SaslHandshake, 1, { mechanism });
  expect(handshake).toEqual({ errorCode: 0, mechanisms: [mechanism] });
  const bare = `n=${user},r=client`;
  const first = await client.call(apiKeys.SaslAuthenticate, 2, { authBytes: bytes(`n,,${bare}`) });
  expect(first.errorCode).toBe(0);
  return client.call(apiKeys.SaslAuthenticate, 2, {
    authBytes: bytes(finalOf(password, bare, textOf(first.authBytes))),
  });
}

const config = { security: { sasl: { mechanisms: [mechanism] } } };

test('before SASL all but its own requests get 34, or the end where there is no place for it', async () => {
  await withDoor(
    async (door) => {
      const client = await door.connect();
      expect((await client.call(apiKeys.ApiVersions, 0, {})).errorCode).toBe(0);
      const denied = await client.call(apiKeys.DescribeCluster, 0, {});
      expect(denied.errorCode).toBe(34);
      expect((await client.call(apiKeys.SaslAuthenticate, 0, { authBytes: bytes('x') })).errorCode).toBe(34);
      expect(await client.frame()).toBeUndefined();
      const other = await door.connect();
      await other.send(apiKeys.Metadata, 9, { topics: null });
      expect(await other.frame()).toBeUndefined();
    },
    { config },
  );
});

test('SCRAM lets the right password in, as the user that rules speak of', async () => {
  await withDoor(
    async (door) => {
      addUser(door, 'alice', 'secret');
      door.services.addTopic('t');
      door.services.acls.push({
        resourceType: 'topic',
        resourceName: 't',
        patternType: 'literal',
        principal: 'User:alice',
        host: '*',
        operation: 'describe',
        permission: 'allow',
      });
      const client = await door.connect();
      const done = await login(client, 'alice', 'secret');
      expect(done.errorCode).toBe(0);
      expect(textOf(done.authBytes)).toMatch(/^v=/);
      const seen = await client.call(apiKeys.Metadata, 9, { topics: [{ name: 't' }, { name: 'hidden' }] });
      expect(seen.topics.map(({ errorCode }) => errorCode)).toEqual([0, 29]);
    },
    { config: { security: { sasl: { mechanisms: [mechanism] }, acl: { enabled: true } } } },
  );
});

test('a wrong password and an unknown user get 58 in the same words, and the connection ends', async () => {
  await withDoor(
    async (door) => {
      addUser(door, 'alice', 'secret');
      const answers = [];
      for (const user of ['alice', 'nobody']) {
        const client = await door.connect();
        const answer = await login(client, user, 'wrong');
        answers.push([answer.errorCode, answer.errorMessage]);
        expect(await client.frame()).toBeUndefined();
      }
      expect(answers).toEqual([
        [58, 'authentication failed'],
        [58, 'authentication failed'],
      ]);
      expect(door.refused).toEqual(['not-authenticated', 'not-authenticated']);
    },
    { config },
  );
});

test('a mechanism that is not offered gets 33; PLAIN is not offered without TLS', async () => {
  await withDoor(
    async (door) => {
      const client = await door.connect();
      expect(await client.call(apiKeys.SaslHandshake, 1, { mechanism: 'PLAIN' })).toEqual({
        errorCode: 33,
        mechanisms: [mechanism],
      });
      expect(await client.call(apiKeys.SaslHandshake, 1, { mechanism: 'GSSAPI' })).toMatchObject({ errorCode: 33 });
    },
    { config },
  );
});

test('after a handshake of version 0 the exchange is bare, and requests follow it', async () => {
  await withDoor(
    async (door) => {
      addUser(door, 'alice', 'secret');
      const client = await door.connect();
      expect((await client.call(apiKeys.SaslHandshake, 0, { mechanism })).errorCode).toBe(0);
      const send = async (text: string) => {
        const body = bytes(text);
        const frame = new Uint8Array(4 + body.length);
        new DataView(frame.buffer).setInt32(0, body.length);
        frame.set(body, 4);
        await client.connection.write(frame);
        return textOf((await client.frame()) ?? new Uint8Array(0));
      };
      const bare = 'n=alice,r=client';
      const serverFirst = await send(`n,,${bare}`);
      expect(await send(finalOf('secret', bare, serverFirst))).toMatch(/^v=/);
      expect((await client.call(apiKeys.Metadata, 9, { topics: null })).topics).toEqual([]);
    },
    { config },
  );
});

test('an authentication holds for its lifetime: then the connection ends, unless the same user came again before', async () => {
  await withDoor(
    async (door) => {
      addUser(door, 'alice', 'secret');
      addUser(door, 'bob', 'secret');
      const client = await door.connect();
      expect((await login(client, 'alice', 'secret')).sessionLifetimeMs).toBe(10_000);
      await door.host.clock.sleep(8_000);
      expect((await login(client, 'alice', 'secret')).errorCode).toBe(0);
      await door.host.clock.sleep(8_000);
      expect((await client.call(apiKeys.Metadata, 9, { topics: null })).topics).toEqual([]);
      await door.host.clock.sleep(8_000);
      await client.send(apiKeys.Metadata, 9, { topics: null });
      expect(await client.frame()).toBeUndefined();
      expect(door.refused).toEqual(['session-expired']);
      const changing = await door.connect();
      await login(changing, 'alice', 'secret');
      expect((await login(changing, 'bob', 'secret')).errorCode).toBe(58);
    },
    { config: { security: { sasl: { mechanisms: [mechanism], session_lifetime: '10s' } } } },
  );
});

test('a frame of a stranger may be small only', async () => {
  await withDoor(
    async (door) => {
      const client = await door.connect();
      const head = new Uint8Array(4);
      new DataView(head.buffer).setInt32(0, 600_000);
      await client.connection.write(head);
      expect(await client.frame()).toBeUndefined();
      expect(door.refused).toEqual(['frame-too-large']);
    },
    { config },
  );
});
