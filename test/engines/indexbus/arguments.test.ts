import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bus, openBus } from '../../../src/engines/indexbus/bus.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { bytesOf, codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** What a call is refused with. Its arguments are those of a program that no compiler has looked at. */
async function refusal(run: () => unknown): Promise<BusError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** Hands over what the types forbid. */
const any = (value: unknown): never => value as never;

describe('openBus', () => {
  const wrong: readonly (readonly [unknown, string, string])[] = [
    [undefined, 'openBus', 'undefined'],
    ['bus', 'openBus', '"bus"'],
    [{}, 'segment', 'undefined'],
    [{ segment: '' }, 'segment', '""'],
    [{ segment: 5 }, 'segment', '5'],
    [{ segments: [] }, 'segments', '[]'],
    [{ segments: ['bus', 7] }, 'segments', '["bus",7]'],
    [{ segments: ['bus', 'bus'] }, 'segments', '["bus","bus"]'],
    [{ segment: 'bus', segments: ['bus'] }, 'segments', 'both'],
    [{ segment: 'bus', segmnt: 1 }, 'segmnt', 'segmnt'],
    [{ segment: 'bus', attachTimeoutMs: Number.NaN }, 'attachTimeoutMs', 'NaN'],
    [{ segment: 'bus', attachTimeoutMs: -1 }, 'attachTimeoutMs', '-1'],
    [{ segment: 'bus', attachTimeoutMs: '5' }, 'attachTimeoutMs', '"5"'],
    [{ segment: 'bus', spins: 0.5 }, 'spins', '0.5'],
    [{ segment: 'bus', spins: -1 }, 'spins', '-1'],
    [{ segment: 'bus', directory: 1 }, 'directory', '1'],
    [{ segment: 'bus', group: null }, 'group', 'null'],
    [{ segment: 'bus', signal: {} }, 'signal', 'Object'],
    [{ segment: 'bus', atEndOfTurn: true }, 'atEndOfTurn', 'true'],
    [{ segment: 'bus', host: 5 }, 'host', '5'],
  ];
  it.each(wrong)('should refuse %j', async (options, named, got) => {
    await peers.router();
    const withHost = typeof options === 'object' ? { host: peers.host(), ...options } : options;
    const { code, message, ...told } = await refusal(() => openBus(any(withHost)));
    expect([code, told.got]).toEqual(['IB_BAD_CONFIG', got]);
    expect(message).toContain(named);
    expect(told.expected).toBeTypeOf('string');
  });

  it('should take what is left out, or undefined, as its default', async () => {
    await peers.router();
    expect(await peers.bus(any({ segments: undefined, signal: undefined, spins: undefined }))).toBeDefined();
  });

  it.each([0, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])(
    'should take %d looks before a sleep',
    async (spins) => {
      await peers.router();
      const bus = await peers.bus({ spins });
      const producer = await bus.producer();
      expect(await producer.ready(1_000)).toBe(true);
    },
  );
});

describe('a call of a bus', () => {
  const calls: readonly (readonly [string, (bus: Bus) => unknown, string])[] = [
    ['consumer()', (bus) => bus.consumer(any(undefined)), 'consumer'],
    ['consumer({})', (bus) => bus.consumer(any({})), 'subscription'],
    ['consumer with a number', (bus) => bus.consumer(any({ subscription: 5 })), 'subscription'],
    ['consumer with no name', (bus) => bus.consumer({ subscription: 'No Name' }), 'subscription'],
    ['consumer with a typo', (bus) => bus.consumer(any({ subscription: 'all', bach: 5 })), 'bach'],
    ['consumer with a name', (bus) => bus.consumer(any({ subscription: 'all', name: 5 })), 'name'],
    ['consumer with checked', (bus) => bus.consumer(any({ subscription: 'all', checked: 'no' })), 'checked'],
    ['consumer with batch', (bus) => bus.consumer(any({ subscription: 'all', batch: '8' })), 'batch'],
    ['producer(null)', (bus) => bus.producer(any(null)), 'producer'],
    ['producer with a typo', (bus) => bus.producer(any({ flushevery: 5 })), 'flushevery'],
    ['producer with flushEvery', (bus) => bus.producer(any({ flushEvery: '5' })), 'flushEvery'],
    ['topic()', (bus) => bus.topic(any(undefined)), 'topic'],
    ['topic(5n)', (bus) => bus.topic(any(5n)), 'topic'],
    ['unsubscribe()', (bus) => bus.unsubscribe(any(undefined)), 'subscription'],
    ['unsubscribe of no name', (bus) => bus.unsubscribe('x'.repeat(4_000)), 'subscription'],
    ['inspect of none', (bus) => bus.inspect(any('zz')), 'segment'],
    ['inspect of one more', (bus) => bus.inspect(1), 'segment'],
    ['isRouted of one more', (bus) => bus.isRouted(1), 'segment'],
    ['creditIn of one more', async (bus) => (await bus.producer()).creditIn(1), 'segment'],
  ];
  it.each(calls)('should refuse %s as wrong, and say what', async (_, call, named) => {
    await peers.router('bus', { subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    const { code, message, expected, got } = await refusal(() => call(bus));
    expect(code).toBe('IB_BAD_CONFIG');
    expect(message).toContain(named);
    expect([typeof expected, typeof got]).toEqual(['string', 'string']);
  });
});

describe('a declaration', () => {
  const { viewMax: _, ...withoutViewMax } = subscription('mine');
  const wrong: readonly (readonly [unknown, string, string])[] = [
    [5, 'declare', '5'],
    [withoutViewMax, 'viewMax', 'undefined'],
    [{ ...subscription('mine'), capacity: '8' }, 'capacity', '"8"'],
    [{ ...subscription('mine'), capacity: Number.NaN }, 'capacity', 'NaN'],
    [{ ...subscription('mine'), topics: 't' }, 'topics', '"t"'],
    [{ ...subscription('mine'), detach_after_ms: 8 }, 'detach_after_ms', 'detach_after_ms'],
    [subscription('other'), 'name', '"other"'],
  ];
  it.each(wrong)('should be refused for the key that is missing or wrong: %j', async (declare, named, got) => {
    // Also where there is a subscription of the name: what is declared is looked at before.
    for (const [segment, subscriptions] of [
      ['none', []],
      ['one', [subscription('mine')]],
    ] as const) {
      await peers.router(segment, { subscriptions });
      const bus = await peers.bus({ segment });
      // Who reads another subscription than it declares would look for it for ever.
      let outcome: unknown;
      void refusal(() => bus.consumer({ subscription: 'mine', declare: any(declare) })).then(
        (refused) => {
          outcome = refused;
        },
        (error: unknown) => {
          outcome = error;
        },
      );
      const refused = { code: 'IB_BAD_CONFIG', got, message: expect.stringContaining(named) };
      await expect.poll(() => outcome, { timeout: 5_000 }).toMatchObject(refused);
    }
  });
});

describe('a batch', () => {
  it.each([
    [0, 5],
    [-1, 5],
    [Number.NaN, 5],
    [1.5, 5],
    [5, -1],
    [5, Number.NaN],
    ['5', 5],
    [undefined, undefined],
  ])('should not be made of %s messages and %s bytes', async (messages, bytes) => {
    expect(await codeOf(() => new MessageBatch(any(messages), any(bytes)))).toBe('IB_BAD_CONFIG');
  });

  it('should be asked only for messages that it has', async () => {
    await peers.router('bus', { subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const [producer, consumer] = [await bus.producer(), await bus.consumer({ subscription: 'all' })];
    producer.publish(topic, bytesOf('x'));
    producer.flush();
    await consumer.ready(1_000);
    const batch = new MessageBatch(4, 64);
    consumer.receive(batch);
    const getters = [
      'bytes',
      'byteLength',
      'wordOffset',
      'topic',
      'producer',
      'sequence',
      'key',
      'requeued',
      'redelivered',
    ] as const;
    for (const getter of getters) {
      for (const index of [1, 4, 99, -1, 0.5, Number.NaN]) {
        expect([getter, index, await codeOf(() => batch[getter](index))]).toEqual([getter, index, 'IB_BAD_CONFIG']);
      }
    }
    expect([...batch.bytes(0)]).toEqual([...bytesOf('x')]);
  });

  it('should be what is received into: anything else is refused, and ends nothing of what was received', async () => {
    const { segment } = await peers.router('bus', { subscriptions: [subscription('all', { access: 'view' })] });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const [producer, consumer] = [await bus.producer(), await bus.consumer({ subscription: 'all' })];
    producer.publish(topic, bytesOf('x'));
    producer.flush();
    await consumer.ready(1_000);
    expect(consumer.receive(new MessageBatch(4, 0))).toBe(1);
    for (const into of [undefined, null, {}, []]) {
      const { code, message } = await refusal(() => consumer.receive(any(into)));
      expect(code).toBe('IB_BAD_CONFIG');
      expect(message).toContain('MessageBatch');
    }
    const { cursors } = seatPlace(segment.layout, 'consumer', 0);
    expect(Atomics.load(segment.words, cursors + LaneCursor.done)).toBe(0);
  });
});
