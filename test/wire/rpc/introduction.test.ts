import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/host/network.ts';
import { World } from '../../../src/sim/world.ts';
import {
  HandshakeError,
  type HandshakeSelf,
  hearIntroduction,
  introduceOurselves,
} from '../../../src/wire/rpc/handshake.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function self(broker: number, more: { cluster?: string; secret?: string } = {}): HandshakeSelf {
  let nonce = broker;
  return {
    introduction: { cluster: more.cluster ?? 'c', broker, incarnation: 1, startCount: 3 },
    secret: more.secret === undefined ? undefined : bytes(more.secret),
    nonce: () => new Uint8Array(16).fill(nonce++),
  };
}

/** Has broker 1 connect to broker 2: what each of them makes of it. */
async function meet(
  left: HandshakeSelf,
  right: HandshakeSelf,
  judge: Parameters<typeof hearIntroduction>[2] = () => undefined,
  expected = 2,
): Promise<{ left: string; right: string }> {
  const world = new World({ seed: 1 });
  const outcome = { left: '', right: '' };
  const text = (error: unknown): string => (error instanceof HandshakeError ? error.code : 'lost');
  world.addMachine('b').start('b', async ({ network }) => {
    await network.listen({ host: 'b', port: 1 }, (connection: Connection) => {
      hearIntroduction(connection, right, judge)
        .then(({ peer }) => {
          outcome.right = `knows ${peer.broker}`;
        })
        .catch((error: unknown) => {
          outcome.right = text(error);
          connection.destroy();
        });
    });
  });
  world.addMachine('a').start('a', async ({ network, clock }) => {
    await clock.sleep(1);
    const connection = await network.connect({ host: 'b', port: 1 });
    await introduceOurselves(connection, left, expected)
      .then(({ peer }) => {
        outcome.left = `knows ${peer.broker}`;
      })
      .catch((error: unknown) => {
        outcome.left = text(error);
        connection.destroy();
      });
  });
  await world.run({ toMs: 1_000 });
  return outcome;
}

describe('an introduction between brokers', () => {
  it('tells each who the other is, with and without a secret', async () => {
    expect(await meet(self(1), self(2))).toEqual({ left: 'knows 2', right: 'knows 1' });
    const both = await meet(self(1, { secret: 's' }), self(2, { secret: 's' }));
    expect(both).toEqual({ left: 'knows 2', right: 'knows 1' });
  });

  it('goes no further with another secret, on whichever side', async () => {
    expect((await meet(self(1, { secret: 'x' }), self(2, { secret: 's' }))).left).toBe('secret');
    expect((await meet(self(1), self(2, { secret: 's' }))).right).not.toBe('knows 1');
    expect((await meet(self(1, { secret: 's' }), self(2))).left).toBe('secret');
  });

  it('keeps clusters apart, but not from a broker that has none yet', async () => {
    expect(await meet(self(1, { cluster: 'other' }), self(2))).toEqual({ left: 'cluster', right: 'cluster' });
    expect(await meet(self(1, { cluster: '' }), self(2))).toEqual({ left: 'knows 2', right: 'knows 1' });
  });

  it('tells a broker why it is not listened to, and notices who answers in its place', async () => {
    const fenced = await meet(self(1), self(2), () => new HandshakeError('fenced', 'replaced'));
    expect(fenced).toEqual({ left: 'fenced', right: 'fenced' });
    expect((await meet(self(1), self(2), undefined, 3)).left).toBe('broker');
  });
});
