import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../../src/engines/streambus/client/client.ts';
import type { Address } from '../../../src/host/network.ts';
import { createRealHost } from '../../../src/real/host.ts';
import {
  Draw,
  fuzzBytes,
  fuzzCases,
  fuzzKinds,
  fuzzSeed,
  growthBytesMax,
  honestRound,
  play,
  usedBytes,
} from '../../engines/streambus/kafka/support/doorFuzz.ts';
import { WireClient } from '../../engines/streambus/kafka/support/wireClient.ts';
import { type LocalCluster, startCluster } from './support/cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await startCluster({ brokers: 1 });
});

afterAll(async () => {
  await cluster.stop();
});

test(`${fuzzCases} cases of bad input over TCP leave the broker and its other clients as they were`, async () => {
  const host = createRealHost({ name: 'fuzz', telemetry: { options: { level: 'error' } } });
  const [name = '', port = ''] = (cluster.bootstrap[0] ?? '').split(':');
  const address: Address = { host: name, port: Number(port) };
  const client = createClient(host, { bootstrap: [address] });
  await client.admin.createTopics([{ name: 'honest', partitions: 1 }]);
  const honest = await WireClient.open(host, address);
  const before = usedBytes();
  const open: number[] = [];
  for (let number = 0; number < fuzzCases; number += 20) {
    // Twenty at once: they must not be in each other's way.
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const draw = new Draw(fuzzSeed * 1_000_003 + number + n);
        const kind = draw.pick(fuzzKinds);
        const { isOver } = await play(host, address, kind, fuzzBytes(kind, draw));
        if (!isOver) open.push(number + n);
      }),
    );
    await honestRound(honest, number / 20);
  }
  client.close();
  expect(open).toEqual([]);
  expect(usedBytes() - before).toBeLessThan(growthBytesMax);
});
