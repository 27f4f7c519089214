import { describe, expect, it } from 'vitest';
import { createClient, type StreamBusClient } from '../../../../src/engines/streambus/client/client.ts';
import type { ClientError } from '../../../../src/engines/streambus/client/clientError.ts';
import type { ClientOptions } from '../../../../src/engines/streambus/client/options.ts';
import { World } from '../../../../src/sim/world.ts';
import { buildBatch, buildMarker, readRecords } from '../../../../src/wire/kafka/records.ts';
import { failureOf } from './failureOf.ts';
import { ModelBroker } from './modelBroker.ts';

const decoder = new TextDecoder();
const text = (bytes: Uint8Array | null): string => (bytes === null ? '' : decoder.decode(bytes));

/** Runs `work` with a client against one model broker, on the simulated network. */
async function against(
  work: (client: StreamBusClient, broker: ModelBroker) => Promise<void>,
  options: Partial<ClientOptions> = {},
  prepare: (broker: ModelBroker) => void = () => undefined,
): Promise<void> {
  const world = new World({ seed: 7 });
  const brokers = new Promise<ModelBroker>((resolve) => {
    world.addMachine('b').start('broker', async (host) => {
      const broker = new ModelBroker(host, { t: 2 });
      prepare(broker);
      await broker.listen();
      resolve(broker);
    });
  });
  let isOver = false;
  world.addMachine('c').start('client', async (host) => {
    const broker = await brokers;
    const client = createClient(host, { bootstrap: [{ host: 'b', port: 9092 }], ...options });
    await work(client, broker);
    client.close();
    isOver = true;
  });
  await world.run({ toMs: 120_000 });
  expect(isOver).toBe(true);
}

function valuesOf(broker: ModelBroker, partition: string): string[] {
  return broker.log(partition).flatMap((batch) => readRecords(batch).map(({ value }) => text(value)));
}

const count = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => `${from + n}`);

describe('producer', () => {
  it('should send records of one turn as one batch and tell their offsets', async () => {
    await against(async (client, broker) => {
      const producer = client.producer();
      const sent = await Promise.all(count(0, 10).map((value) => producer.send({ topic: 't', partition: 0, value })));
      expect(sent.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(broker.log('t/0')).toHaveLength(1);
    });
  });

  it.each(['lose', 'cut-answer', 'silence', 6, 19] as const)(
    'should keep order, without gap or second copy, when requests meet %s',
    async (fault) => {
      await against(
        async (client, broker) => {
          broker.interfere = (api, n) => (api === 'Produce' && n % 3 !== 2 && n < 12 ? fault : undefined);
          const producer = client.producer({ batchBytes: 100 });
          const sent = await Promise.all(
            count(0, 30).map((value) => producer.send({ topic: 't', partition: 1, value })),
          );
          expect(valuesOf(broker, 't/1')).toEqual(count(0, 30));
          expect(sent.map(({ offset }) => offset)).toEqual(Array.from({ length: 30 }, (_, n) => n));
        },
        { requestTimeoutMs: 500 },
      );
    },
  );

  it('should call a refusal definite, and what was lost after sending indeterminate', async () => {
    await against(
      async (client, broker) => {
        const send = (): Promise<ClientError> => {
          const producer = client.producer({ deliveryTimeoutMs: 100 });
          return failureOf(producer.send({ topic: 't', partition: 0, value: 'x' }));
        };
        for (const number of [3, 6, 10, 19, 29, 45, 47, 87]) {
          broker.interfere = (api) => (api === 'Produce' ? number : undefined);
          expect(await send()).toMatchObject({ code: 'KAFKA', errorNumber: number, outcome: 'definite' });
        }
        for (const number of [7, 20]) {
          broker.interfere = (api) => (api === 'Produce' ? number : undefined);
          expect(await send()).toMatchObject({ code: 'KAFKA', errorNumber: number, outcome: 'indeterminate' });
        }
        for (const [fault, code] of [
          ['lose', 'CONNECTION'],
          ['cut-answer', 'CONNECTION'],
          ['silence', 'TIMEOUT'],
        ] as const) {
          broker.interfere = (api) => (api === 'Produce' ? fault : undefined);
          expect(await send()).toMatchObject({ code, outcome: 'indeterminate' });
        }
        let refused = 0;
        broker.interfere = (api) => (api === 'Produce' ? (refused++ === 0 ? 'cut-answer' : 19) : undefined);
        // The first attempt may have worked, whatever the second one says.
        expect(await send()).toMatchObject({ errorNumber: 19, outcome: 'indeterminate' });
        broker.interfere = (api) => (api === 'ApiVersions' ? 'silence' : undefined);
        client.cluster.close();
        expect(await send()).toMatchObject({ code: 'CLOSED', outcome: 'definite' });
      },
      { requestTimeoutMs: 300 },
    );
  });

  it('should go on under a new id when a batch was given up, and send the rest once', async () => {
    await against(async (client, broker) => {
      broker.interfere = (api, n) => (api === 'Produce' && n === 1 ? 10 : undefined);
      const producer = client.producer({ batchBytes: 60 });
      await producer.send({ topic: 't', partition: 0, value: 'first' });
      const results = await Promise.allSettled(
        ['too large', 'after', 'last'].map((value) =>
          producer.send({ topic: 't', partition: 0, value: value.padEnd(30) }),
        ),
      );
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
      expect(valuesOf(broker, 't/0').map((value) => value.trim())).toEqual(['first', 'after', 'last']);
      expect(broker.seen.filter((name) => name === 'InitProducerId')).toHaveLength(2);
    });
  });

  it('should tell a record that was never sent from one that was', async () => {
    await against(
      async (client) => {
        const error = await failureOf(
          client.producer({ deliveryTimeoutMs: 1_000 }).send({ topic: 't', partition: 0, value: 'x' }),
        );
        expect(error.outcome).toBe('definite');
      },
      { bootstrap: [{ host: 'b', port: 1 }], connectTimeoutMs: 200 },
    );
  });
});

describe('consumer', () => {
  it('should read what was sent, from the committed offset on', async () => {
    await against(async (client, broker) => {
      const producer = client.producer();
      for (const partition of [0, 1]) {
        await Promise.all(count(0, 5).map((value) => producer.send({ topic: 't', partition, key: 'k', value })));
      }
      broker.offsets.set('t/1', 3);
      const consumer = client.consumer({ group: { groupId: 'g' } });
      consumer.assign([
        { topic: 't', partition: 0 },
        { topic: 't', partition: 1 },
      ]);
      const records = await consumer.poll();
      expect(records.map(({ partition, offset, value }) => [partition, offset, text(value)])).toEqual([
        ...count(0, 5).map((value, n) => [0, n, value]),
        [1, 3, '3'],
        [1, 4, '4'],
      ]);
      await consumer.commit();
      expect(Object.fromEntries(broker.offsets)).toEqual({ 't/0': 5, 't/1': 5 });
      expect(await consumer.poll(100)).toEqual([]);
      consumer.seek({ topic: 't', partition: 0 }, 4);
      expect((await consumer.poll()).map(({ offset }) => offset)).toEqual([4]);
    });
  });

  it('should leave out aborted transactions and markers at read-committed only', async () => {
    await against(async (client, broker) => {
      const batch = (value: string, producerId: number): Uint8Array =>
        buildBatch([{ timestamp: 1, value: new TextEncoder().encode(value) }], {
          producerId,
          producerEpoch: 0,
          baseSequence: 0,
          isTransactional: true,
        });
      const end = (producerId: number, commit: boolean): Uint8Array =>
        buildMarker({ producerId, producerEpoch: 0, commit, coordinatorEpoch: 1 }, 1);
      for (const one of [
        batch('a1', 1),
        batch('c2', 2),
        end(2, true),
        end(1, false),
        batch('c1', 1),
        end(1, true),
        batch('a2', 2),
        end(2, false),
      ]) {
        broker.plant('t/0', one);
      }
      broker.aborted = [
        { producerId: 2, firstOffset: 6 },
        { producerId: 1, firstOffset: 0 },
      ];
      for (const [isolation, expected] of [
        ['read-committed', ['c2', 'c1']],
        ['read-uncommitted', ['a1', 'c2', 'c1', 'a2']],
      ] as const) {
        const consumer = client.consumer({ isolation });
        consumer.assign([{ topic: 't', partition: 0 }]);
        expect((await consumer.poll()).map(({ value }) => text(value))).toEqual(expected);
        expect(consumer.position({ topic: 't', partition: 0 })).toBe(8);
      }
    });
  });

  it('should begin anew as it was told when its position is out of range', async () => {
    await against(async (client, broker) => {
      await client.producer().send({ topic: 't', partition: 0, value: 'x' });
      const consumer = client.consumer();
      consumer.assign([{ topic: 't', partition: 0 }]);
      consumer.seek({ topic: 't', partition: 0 }, 77);
      broker.interfere = (api, n) => (api === 'Fetch' && n === 0 ? 1 : undefined);
      expect((await consumer.poll()).map(({ offset }) => offset)).toEqual([0]);
    });
  });
});

describe('login', () => {
  it('should prove the password by SCRAM, and refuse a wrong one without trying again', async () => {
    const sasl = { mechanism: 'SCRAM-SHA-256', user: 'alice', password: 'secret, = salt' } as const;
    await against(
      async (client, broker) => {
        await client.cluster.refresh();
        expect(broker.seen.slice(0, 4)).toEqual([
          'ApiVersions',
          'SaslHandshake',
          'SaslAuthenticate',
          'SaslAuthenticate',
        ]);
      },
      { sasl },
      (broker) => {
        broker.password = sasl.password;
      },
    );
    await against(
      async (client) => {
        expect(await failureOf(client.cluster.refresh())).toMatchObject({ code: 'AUTHENTICATION', errorNumber: 58 });
      },
      { sasl },
      (broker) => {
        broker.password = 'another';
      },
    );
  });
});
