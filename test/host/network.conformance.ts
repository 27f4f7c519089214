import { expect, test } from 'vitest';
import type { Host } from '../../src/host/host.ts';
import { type Address, type Connection, type Listener, NetworkError } from '../../src/host/network.ts';

/** A server's and a client's host, and the name under which the client reaches the server. */
export interface NetworkPair {
  readonly server: Host;
  readonly client: Host;
  readonly serverHost: string;
}

/** Runs a body with two hosts until it has settled; throws what it throws. */
export type WithNetworkPair = (body: (pair: NetworkPair) => Promise<void>) => Promise<void>;

interface Joined {
  readonly near: Connection;
  readonly far: Connection;
  readonly listener: Listener;
}

async function join({ server, client, serverHost }: NetworkPair): Promise<Joined> {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await server.network.listen({ host: serverHost, port: 0 }, accepted.resolve);
  const near = await client.network.connect(listener.address);
  return { near, far: await accepted.promise, listener };
}

async function readAll(connection: Connection): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await connection.read(); chunk !== undefined; chunk = await connection.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof NetworkError) return error.code;
    throw error;
  }
  return 'no error';
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >>> 8)) & 255);
}

/** What every network must do. */
export function networkConformance(withPair: WithNetworkPair): void {
  test('bytes arrive whole and in order, whatever the writes were', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const sent = pattern(300_000);
      const sending = (async () => {
        for (let at = 0; at < sent.length; at += 7001) await near.write(sent.subarray(at, at + 7001));
        await near.end();
      })();
      const received = await readAll(far);
      await sending;
      expect(Buffer.compare(received, sent)).toBe(0);
      far.destroy();
    }));

  test('a direction that has ended leaves the other one open', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      await near.write(pattern(10));
      await near.end();
      expect((await readAll(far)).length).toBe(10);
      await far.write(pattern(20));
      await far.end();
      expect((await readAll(near)).length).toBe(20);
      await Promise.all([near.closed, far.closed]);
    }));

  test('the end is told again at every read', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      await near.end();
      expect(await far.read()).toBeUndefined();
      expect(await far.read()).toBeUndefined();
      far.destroy();
    }));

  test('a writer whose peer does not read waits, and goes on when it reads', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const chunk = pattern(256 * 1024);
      const most = 200;
      let written = 0;
      let stopped = false;
      const sending = (async () => {
        while (written < most && !stopped) {
          await near.write(chunk);
          written++;
        }
      })();
      await pair.client.clock.sleep(300);
      expect(written).toBeLessThan(most);
      const before = written;
      stopped = true;
      for (let bytes = 0; bytes < (before + 1) * chunk.length; ) bytes += (await far.read())?.length ?? 0;
      await sending;
      expect(written).toBe(before + 1);
      near.destroy();
      far.destroy();
    }));

  test('a peer that destroys its end resets the connection', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const reading = codeOf(near.read());
      far.destroy();
      expect(await reading).toBe('ECONNRESET');
      await near.closed;
    }));

  test('after destroy, what waits and what comes is cancelled, and both ends close', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const reading = codeOf(near.read());
      near.destroy();
      near.destroy();
      expect(await reading).toBe('ECANCELED');
      expect(await codeOf(near.read())).toBe('ECANCELED');
      expect(await codeOf(near.write(pattern(1)))).toBe('ECANCELED');
      await Promise.all([near.closed, far.closed]);
    }));

  test('writing after end is EPIPE', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      await near.end();
      expect(await codeOf(near.write(pattern(1)))).toBe('EPIPE');
      near.destroy();
      far.destroy();
    }));

  test('a second read while one is under way throws', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const reading = codeOf(near.read());
      expect(() => near.read()).toThrow('read');
      near.destroy();
      await reading;
      far.destroy();
    }));

  test('the caller may use its buffer again once write has settled', () =>
    withPair(async (pair) => {
      const { near, far } = await join(pair);
      const buffer = new Uint8Array([1, 2, 3]);
      await near.write(buffer);
      buffer.fill(9);
      await near.end();
      expect([...(await readAll(far))]).toEqual([1, 2, 3]);
      far.destroy();
    }));

  test('a port that nobody listens on refuses', () =>
    withPair(async (pair) => {
      const { listener, near } = await join(pair);
      await listener.close();
      expect(await codeOf(pair.client.network.connect(listener.address))).toBe('ECONNREFUSED');
      near.destroy();
    }));

  test('a listener that closes leaves its connections open', () =>
    withPair(async (pair) => {
      const { near, far, listener } = await join(pair);
      await listener.close();
      await near.write(pattern(5));
      expect((await far.read())?.length).toBe(5);
      near.destroy();
      far.destroy();
    }));

  test('an address can be listened on once', () =>
    withPair(async (pair) => {
      const first = await pair.server.network.listen({ host: pair.serverHost, port: 0 }, () => {});
      expect(await codeOf(pair.server.network.listen(first.address, () => {}))).toBe('EADDRINUSE');
      await first.close();
      const again = await pair.server.network.listen(first.address, () => {});
      await again.close();
    }));

  test('connecting can be aborted, before and during', () =>
    withPair(async (pair) => {
      const address: Address = (await join(pair)).listener.address;
      expect(await codeOf(pair.client.network.connect(address, { signal: AbortSignal.abort() }))).toBe('ECANCELED');
      const abort = new AbortController();
      const connecting = codeOf(pair.client.network.connect(address, { signal: abort.signal }));
      abort.abort();
      expect(await connecting).toBe('ECANCELED');
    }));

  test('both ends know each other', () =>
    withPair(async (pair) => {
      const { near, far, listener } = await join(pair);
      expect(near.remote.port).toBe(listener.address.port);
      expect(far.remote.port).toBe(near.local.port);
      expect(far.local.port).toBe(listener.address.port);
      near.destroy();
      far.destroy();
    }));
}
