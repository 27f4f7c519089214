import { expect, test } from 'vitest';
import { outgoingBytesMax } from '../../../../src/engines/streambus/broker/connection.ts';
import { RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import type { Peer } from '../../../../src/engines/streambus/broker/peer.ts';
import { Transport, type TransportListener } from '../../../../src/engines/streambus/broker/transport.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';
import { frameHeaderBytes, frameOf } from '../../../../src/wire/rpc/frames.ts';

const nothing = () => undefined;
const deaf: TransportListener = {
  onFrame: nothing,
  onRead: nothing,
  onUp: nothing,
  onDown: nothing,
  onNewProcess: nothing,
  onFenced: nothing,
};
const identity = { cluster: 'c', incarnation: 1, startCount: 1 };

function transportOf(host: Host, broker: number): Transport {
  return new Transport({
    host,
    broker,
    secret: () => undefined,
    addressOf: (other) => ({ host: `b${other}`, port: 9093 }),
    incarnationOf: () => undefined,
  });
}

/** Broker 1 connects to broker 2; one of them learns who it is at `atMs` after that. Resolves to what broker 1's request comes to. */
async function introducedWhile(changing: 1 | 2, atMs: number): Promise<string> {
  const world = new World({ seed: 1 });
  world.network.addRule({ matches: () => true, addLatencyMs: () => 50 });
  let outcome: string | undefined;
  world.addMachine('b2').start('b2', async (host) => {
    const transport = transportOf(host, 2);
    if (changing === 1) transport.identify(identity);
    transport.serve('who', async () => new Uint8Array(0));
    await transport.listen({ host: 'b2', port: 9093 });
    if (changing === 2) host.clock.timer(10 + atMs, () => transport.identify(identity));
  });
  world.addMachine('b1').start('b1', async (host) => {
    await host.clock.sleep(10);
    const transport = transportOf(host, 1);
    if (changing === 2) transport.identify(identity);
    await transport.listen({ host: 'b1', port: 9093 });
    transport.peer(2)?.tick(host.clock.now());
    await host.clock.sleep(atMs);
    if (changing === 1) transport.identify(identity);
    await host.clock.sleep(3_000);
    const known = transport.peer(2)?.peer;
    outcome = await transport.call(2, 'who', new Uint8Array(0)).then(
      () => `answered by incarnation ${known?.incarnation}`,
      (error: unknown) => String(error),
    );
  });
  await world.run({ toMs: 20_000, until: () => outcome !== undefined });
  // Nothing that somebody should look at: the first tries of a new cluster come to this.
  expect(world.logs.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  return outcome ?? 'nothing';
}

test('who learns who he is while he introduces himself does it again: nobody knows him as a stranger for ever', async () => {
  for (const changing of [1, 2] as const) {
    for (let atMs = 0; atMs <= 400; atMs += 10) {
      expect([changing, atMs, await introducedWhile(changing, atMs)]).toEqual([
        changing,
        atMs,
        'answered by incarnation 1',
      ]);
    }
  }
});

test('a broker that another one refuses by name says so once, and not at each try', async () => {
  const world = new World({ seed: 1 });
  world.addMachine('b2').start('b2', async (host) => {
    const transport = transportOf(host, 2);
    transport.identify({ ...identity, cluster: 'another' });
    await transport.listen({ host: 'b2', port: 9093 });
  });
  world.addMachine('b1').start('b1', async (host) => {
    const transport = transportOf(host, 1);
    transport.identify(identity);
    await transport.listen({ host: 'b1', port: 9093 });
    const peer = transport.peer(2);
    for (let n = 0; n < 100; n++) {
      peer?.tick(host.clock.now());
      await host.clock.sleep(100);
    }
  });
  await world.run({ toMs: 10_000 });
  const told = world.logs.lines.filter(({ machine }) => machine === 'b1');
  expect(told).toMatchObject([{ level: 'warn', fields: { broker: 2, code: 'cluster' } }]);
  expect(world.logs.lines.filter(({ machine }) => machine === 'b2').length).toBeGreaterThan(1);
});

/** Broker 1 sends 64 KiB every half second for 10 s over a link that carries 60 KB/s, then says nothing. Resolves to how often it lost broker 2. */
async function lostWhileFull(): Promise<{ readonly lost: number; readonly frames: number }> {
  const world = new World({ seed: 1 });
  world.network.addRule({ matches: () => true, bytesPerSecond: 60_000 });
  let frames = 0;
  let lost = 0;
  world.addMachine('b2').start('b2', async (host) => {
    const transport = transportOf(host, 2);
    transport.attach({ ...deaf, onFrame: () => frames++ });
    transport.identify(identity);
    await transport.listen({ host: 'b2', port: 9093 });
  });
  world.addMachine('b1').start('b1', async (host) => {
    await host.clock.sleep(10);
    const transport = transportOf(host, 1);
    transport.attach({ ...deaf, onDown: () => lost++ });
    transport.identify({ ...identity, incarnation: 2 });
    await transport.listen({ host: 'b1', port: 9093 });
    const peer = transport.peer(2);
    for (let at = 0; at < 120_000; at += 100) {
      peer?.tick(host.clock.now());
      if (at >= 1_000 && at < 11_000 && at % 500 === 0) peer?.send(frameOf(RaftFrame.messages, new Uint8Array(65_536)));
      await host.clock.sleep(100);
    }
  });
  await world.run({ toMs: 60_000 });
  return { lost, frames };
}

test('a connection that is full is not taken for a dead one', async () => {
  expect(await lostWhileFull()).toEqual({ lost: 0, frames: 20 });
});

/** What broker 1 does once it is connected. */
type Sending = (peer: Peer, host: Host) => Promise<void>;

/** A link from broker 1 to broker 2 in a world of its own; `lostAt` is when broker 1 gave it up. */
class Link {
  readonly world = new World({ seed: 1 });
  readonly lostAt: number[] = [];
  frames = 0;

  constructor(bytesPerSecond: number, sending: Sending) {
    this.world.network.addRule({ matches: () => true, bytesPerSecond });
    this.world.addMachine('b2').start('b2', async (host) => {
      const transport = transportOf(host, 2);
      transport.attach({ ...deaf, onFrame: () => this.frames++ });
      transport.identify(identity);
      await transport.listen({ host: 'b2', port: 9093 });
    });
    this.world.addMachine('b1').start('b1', async (host) => {
      await host.clock.sleep(10);
      const transport = transportOf(host, 1);
      transport.attach({ ...deaf, onDown: () => this.lostAt.push(host.clock.now()) });
      transport.identify({ ...identity, incarnation: 2 });
      await transport.listen({ host: 'b1', port: 9093 });
      const peer = transport.peer(2);
      if (peer === undefined) throw new Error('expected a way to broker 2');
      const tick = (): void => {
        peer.tick(host.clock.now());
        host.clock.timer(100, tick);
      };
      tick();
      await host.clock.sleep(1_000);
      await sending(peer, host);
    });
  }
}

const mebibyte = 1024 * 1024;
const piece = frameOf(RaftFrame.messages, new Uint8Array(mebibyte - 64));

/** Fills the queue, again and again. */
const flood: Sending = async (peer, host) => {
  for (;;) {
    let sent = 0;
    while (peer.send(piece)) sent++;
    if (sent > 64) throw new Error(`a queue of 64 MiB took ${sent} MiB at once`);
    await host.clock.sleep(100);
  }
};

test.each([64_000, 300_000, 1_500_000])(
  'a link of %i bytes a second that is always full is not taken for a dead one',
  async (rate) => {
    const link = new Link(rate, flood);
    await link.world.run({ toMs: 100_000 });
    expect(link.lostAt).toEqual([]);
    expect(link.frames).toBeGreaterThan((0.9 * 99 * rate) / mebibyte - 1);
  },
);

test('a connection that had no room for anything when a ping was due, and is quiet then, stands', async () => {
  const link = new Link(5_000_000, async (peer, host) => {
    while (host.clock.now() < 30_000) {
      while (peer.send(piece));
      // To the last byte.
      const left = outgoingBytesMax - peer.queuedBytes - frameHeaderBytes;
      if (left >= 0) peer.send(frameOf(RaftFrame.messages, new Uint8Array(left)));
      await host.clock.sleep(10);
    }
  });
  await link.world.run({ toMs: 100_000 });
  expect(link.lostAt).toEqual([]);
});

test('one frame that takes minutes is waited for, and so is what comes after it', async () => {
  const link = new Link(200_000, async (peer) => {
    peer.send(frameOf(RaftFrame.messages, new Uint8Array(24 * mebibyte)));
    peer.send(piece);
  });
  await link.world.run({ toMs: 200_000 });
  expect(link).toMatchObject({ lostAt: [], frames: 2 });
});

test.each([
  ['nothing', 0],
  ['1 MiB', 1],
  ['more than its queue takes', 100],
])('a link that goes dead is found out within 8 s, when it has %s to carry after a quiet time', async (_, pieces) => {
  const deadMs = 20_000;
  const link = new Link(10_000_000, async (peer, host) => {
    await host.clock.sleep(deadMs - host.clock.now());
    for (let at = 0; at < pieces; at++) peer.send(piece);
  });
  link.world.scheduler.at(deadMs + 1, 'a hole', undefined, () => {
    link.world.network.addRule({ matches: () => true, blocked: true });
  });
  await link.world.run({ toMs: 60_000, until: () => link.lostAt.length > 0 });
  const [lostAt = Number.POSITIVE_INFINITY] = link.lostAt;
  expect(lostAt).toBeGreaterThan(deadMs);
  expect(lostAt).toBeLessThan(deadMs + 8_200);
});
