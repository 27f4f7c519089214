import { expect, test } from 'vitest';
import { Transport } from '../../../../src/engines/streambus/broker/transport.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';

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
