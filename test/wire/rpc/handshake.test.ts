import { expect, test } from 'vitest';
import type { Connection } from '../../../src/host/network.ts';
import { FrameError, frameOf } from '../../../src/wire/rpc/frames.ts';
import {
  FrameStream,
  HandshakeError,
  type HandshakeSelf,
  hearIntroduction,
  introduceOurselves,
} from '../../../src/wire/rpc/handshake.ts';

/** Two ends of a connection that joins everything written between two reads into one piece. */
function pair(): [Connection, Connection] {
  const ends = [0, 1].map((): { bytes: Uint8Array[]; wake: () => void } => ({ bytes: [], wake: () => undefined }));
  const end = (own: number): Connection => {
    const mine = ends[own];
    const other = ends[1 - own];
    if (mine === undefined || other === undefined) throw new Error('two ends');
    return {
      local: { host: 'a', port: 1 },
      remote: { host: 'b', port: 2 },
      async read() {
        while (mine.bytes.length === 0) await new Promise<void>((resolve) => (mine.wake = resolve));
        return new Uint8Array(Buffer.concat(mine.bytes.splice(0)));
      },
      async write(bytes) {
        other.bytes.push(bytes);
        queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => other.wake())));
      },
      end: async () => undefined,
      destroy: () => undefined,
      closed: new Promise(() => undefined),
    };
  };
  return [end(0), end(1)];
}

const self = (broker: number, secret?: string): HandshakeSelf => ({
  introduction: { cluster: 'test', broker, incarnation: 1, startCount: 1 },
  secret: secret === undefined ? undefined : new TextEncoder().encode(secret),
  nonce: () => new Uint8Array(16).fill(broker),
});

test('a long frame right behind the proof is no reason to hang up', async () => {
  const [left, right] = pair();
  const accepting = hearIntroduction(right, self(2, 'secret'), () => undefined);
  const { peer } = await introduceOurselves(left, self(1, 'secret'), 2);
  await left.write(frameOf(32, new Uint8Array(100_000)));
  expect(peer.broker).toBe(2);
  const accepted = await accepting;
  expect(accepted.peer).toEqual({ cluster: 'test', broker: 1, incarnation: 1, startCount: 1 });
  const seen = await new Promise<[number, number]>((resolve) => {
    void accepted.frames.each(
      (kind, payload) => resolve([kind, payload.length]),
      () => undefined,
    );
  });
  expect(seen).toEqual([32, 100_000]);
});

test('a stranger without the secret is refused, and makes nobody keep long frames', async () => {
  const [left, right] = pair();
  const accepting = hearIntroduction(right, self(2, 'secret'), () => undefined);
  accepting.catch(() => undefined);
  await expect(introduceOurselves(left, self(1, 'guess'), 2)).rejects.toBeInstanceOf(HandshakeError);

  const [other, there] = pair();
  const frames = new FrameStream(there).next();
  await other.write(frameOf(1, new Uint8Array(100_000)));
  await expect(frames).rejects.toBeInstanceOf(FrameError);
});
