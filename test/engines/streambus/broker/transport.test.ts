import { expect, test } from 'vitest';
import { RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import { Transport, type TransportListener } from '../../../../src/engines/streambus/broker/transport.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';
import { frameOf } from '../../../../src/wire/rpc/frames.ts';

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
