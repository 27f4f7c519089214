import { afterEach, expect, test, vi } from 'vitest';
import { RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import { Transport } from '../../../../src/engines/streambus/broker/transport.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Connection } from '../../../../src/host/network.ts';
import type { RandomStream } from '../../../../src/host/random.ts';
import { World } from '../../../../src/sim/world.ts';
import { frameOf } from '../../../../src/wire/rpc/frames.ts';
import { type HandshakeSelf, hearIntroduction, introduceOurselves } from '../../../../src/wire/rpc/handshake.ts';
import { packedKind } from '../../../../src/wire/rpc/packed.ts';
import { encodeNumber, encodeRequest, FrameKind } from '../../../../src/wire/rpc/requests.ts';
import { Brokers } from './brokers.ts';

/** Every kind of frame that means something, and some that do not. */
const kinds = [...Object.values(FrameKind), ...Object.values(RaftFrame), packedKind, 0, 1, 255];
const triesOfAKind = 12;

afterEach(() => vi.restoreAllMocks());

const selfOf = (host: Host, introduction: HandshakeSelf['introduction']): HandshakeSelf => ({
  introduction,
  secret: undefined,
  nonce: () => host.random.stream('nonce').bytes(16),
});

/** Empty, one byte, a few: what a decoder meets at its end. */
function payloadOf(random: RandomStream, at: number): Uint8Array {
  return random.bytes(at === 0 ? 0 : at === 1 ? 1 : Math.floor(random.float() * 64));
}

// A promise that is rejected and that nobody waits for ends a process: the world fails of it.

test('a broker bears whatever frames an introduced one sends: it drops the connection, and goes on', async () => {
  const serve = vi.spyOn(Transport.prototype, 'serve');
  const brokers = new Brokers({ seed: 3, brokers: 1 });
  brokers.start();
  await brokers.until('ready', () => brokers.ready.size === 1);
  const names = [...new Set(serve.mock.calls.map(([name]) => name))];
  expect(names.length).toBeGreaterThan(5);
  const cluster = brokers.bus(1).metadata.clusterId;
  const sent = await brokers.client(async (host) => {
    const random = host.random.stream('fuzz');
    const send = async (frame: Uint8Array): Promise<'answered' | 'dropped'> => {
      const connection = await host.network.connect({ host: 'broker-1', port: 9093 });
      const self = selfOf(host, { cluster, broker: 9, incarnation: 1, startCount: 1 });
      const { frames } = await introduceOurselves(connection, self, 1);
      await connection.write(frame);
      // Behind it: its echo says that the connection stands.
      await connection.write(encodeNumber(FrameKind.ping, 1_000_000));
      let isAnswered = false;
      await frames
        .each(
          (kind) => {
            if (kind === FrameKind.pong) isAnswered = true;
          },
          () => {
            if (isAnswered) connection.destroy();
          },
        )
        .catch(() => undefined);
      return isAnswered ? 'answered' : 'dropped';
    };
    const ends = { answered: 0, dropped: 0 };
    for (const kind of kinds) {
      for (let at = 0; at < triesOfAKind; at++) ends[await send(frameOf(kind, payloadOf(random, at)))] += 1;
    }
    for (const name of names) {
      for (let at = 0; at < 4; at++) {
        // Whatever it asks for, what it sends is wrong: it is told so, and the connection stays.
        expect([name, await send(encodeRequest({ id: at, name, body: payloadOf(random, at) }))]).toEqual([
          name,
          'answered',
        ]);
      }
    }
    return ends;
  }, 600_000);
  expect(brokers.failed.size).toBe(0);
  expect(sent.dropped).toBeGreaterThan(kinds.length);
  expect(sent.answered).toBeGreaterThan(0);
});

test('a broker bears whatever frames the one that it has connected to answers with', async () => {
  const world = new World({ seed: 5 });
  let connections = 0;
  let lost = 0;
  world.addMachine('b2').start('b2', async (host) => {
    const random = host.random.stream('fuzz');
    const answer = async (connection: Connection): Promise<void> => {
      const at = connections++;
      const self = selfOf(host, { cluster: 'c', broker: 2, incarnation: 1, startCount: 1 });
      await hearIntroduction(connection, self, () => undefined);
      const kind = kinds[at % kinds.length] ?? 0;
      await connection.write(frameOf(kind, payloadOf(random, Math.floor(at / kinds.length))));
      await connection.end();
    };
    await host.network.listen({ host: 'b2', port: 9093 }, (connection) => {
      answer(connection).catch(() => connection.destroy());
    });
  });
  world.addMachine('b1').start('b1', async (host) => {
    const transport = new Transport({
      host,
      broker: 1,
      secret: () => undefined,
      addressOf: (other) => ({ host: `b${other}`, port: 9093 }),
      incarnationOf: () => undefined,
    });
    transport.identify({ cluster: 'c', incarnation: 1, startCount: 1 });
    await transport.listen({ host: 'b1', port: 9093 });
    for (;;) {
      await transport.call(2, 'who', new Uint8Array(0)).catch(() => lost++);
    }
  });
  await world.run({ toMs: 600_000, until: () => connections > 4 * kinds.length && lost > 2 * kinds.length });
  expect(connections).toBeGreaterThan(4 * kinds.length);
});
