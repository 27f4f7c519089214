import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Producer } from '../../../src/engines/indexbus/busProducer.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
let producer: Producer;
let consumer: Consumer;
let topic: number;
beforeEach(async () => {
  peers = new Peers();
  await peers.router('bus', { subscriptions: [subscription('all')] });
  const bus = await peers.bus();
  topic = await bus.topic('t');
  producer = await bus.producer();
  consumer = await bus.consumer({ subscription: 'all' });
});
afterEach(() => peers.end());

/** Forty bytes that differ. */
function room(): ArrayBuffer {
  return Uint8Array.from({ length: 40 }, (_, at) => 250 - 3 * at).buffer;
}

async function received(): Promise<number[]> {
  const batch = new MessageBatch(1, 64);
  producer.flush();
  expect(await consumer.ready(1000)).toBe(true);
  expect(consumer.receive(batch)).toBe(1);
  return [...batch.bytes(0)];
}

const views: Readonly<Record<string, (buffer: ArrayBuffer) => ArrayBufferView>> = {
  'a Uint8Array': (buffer) => new Uint8Array(buffer),
  'a Uint8Array with an offset': (buffer) => new Uint8Array(buffer, 3, 7),
  'a Buffer': (buffer) => Buffer.from(buffer, 5, 9),
  'an Int8Array': (buffer) => new Int8Array(buffer, 1, 8),
  'a Uint8ClampedArray': (buffer) => new Uint8ClampedArray(buffer, 2),
  'an Int16Array': (buffer) => new Int16Array(buffer, 4, 5),
  'an Int32Array': (buffer) => new Int32Array(buffer),
  'an Int32Array with an offset': (buffer) => new Int32Array(buffer, 8, 3),
  'a Float32Array': (buffer) => new Float32Array(buffer, 4, 4),
  'a Float64Array': (buffer) => new Float64Array(buffer, 16, 2),
  'a BigInt64Array': (buffer) => new BigInt64Array(buffer, 8, 2),
  'a DataView': (buffer) => new DataView(buffer, 7, 11),
  'a Uint8Array of another realm': (buffer) => vm.runInNewContext('new Uint8Array(buffer, 6, 12)', { buffer }),
};

describe('a payload', () => {
  for (const [name, viewOf] of Object.entries(views)) {
    it(`that is ${name} arrives byte by byte`, async () => {
      const buffer = room();
      const view = viewOf(buffer);
      expect(producer.publish(topic, view)).toBe(true);
      expect(await received()).toEqual([...new Uint8Array(buffer, view.byteOffset, view.byteLength)]);
    });
  }

  it('that is too long is measured in bytes, not in elements', async () => {
    expect(await codeOf(() => producer.publish(topic, new Float64Array(7)))).toBe('IB_TOO_LARGE');
  });

  it('that is no view is refused with what was expected, and nothing is published', () => {
    const gone = new Uint8Array(8);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const wrong: readonly (readonly [unknown, string])[] = [
      ['text', 'a Uint8Array or another view of a buffer, got a string: encode it'],
      [room(), 'got ArrayBuffer: give new Uint8Array(buffer)'],
      [[1, 2, 3], 'got Array'],
      [{ byteLength: 3, length: 3 }, 'got Object'],
      [undefined, 'got undefined'],
      [gone, 'transferred away'],
    ];
    const { credit } = producer;
    for (const [payload, told] of wrong) {
      // As a program does that no compiler has looked at.
      const publish = () => producer.publish(topic, payload as Uint8Array);
      expect(publish).toThrow(BusError);
      expect(publish).toThrow(told);
    }
    expect(producer.credit).toBe(credit);
  });
});

describe('words', () => {
  it('of a Uint32Array, or an Int32Array of another realm, arrive as they are', async () => {
    const words = Uint32Array.of(1, 2 ** 32 - 1, 3);
    expect(producer.publishWords(topic, words as unknown as Int32Array, 1, 2)).toBe(true);
    expect(await received()).toEqual([255, 255, 255, 255, 3, 0, 0, 0]);
    const foreign: Int32Array = vm.runInNewContext('Int32Array.of(7, -2)');
    expect(producer.publishWords(topic, foreign, 0, 2)).toBe(true);
    expect(await received()).toEqual([7, 0, 0, 0, 254, 255, 255, 255]);
  });

  it('of anything else are refused: they would be converted', () => {
    for (const wrong of [Float64Array.of(1.5), Float32Array.of(1.5), new Uint8Array(4), [1, 2], undefined]) {
      const publish = () => producer.publishWords(topic, wrong as unknown as Int32Array, 0, 1);
      expect(publish).toThrow(BusError);
      expect(publish).toThrow('expected an Int32Array or a Uint32Array');
    }
  });
});

describe('a key', () => {
  it('may be any whole number of 32 bits, with a sign or without', () => {
    for (const key of [0, -0, -1, 2 ** 31, 2 ** 32 - 1, -(2 ** 31)]) {
      expect(producer.publish(topic, new Uint8Array(1), key)).toBe(true);
    }
  });

  it('that is none is refused, where all such would be one key; what is reserved stays so', () => {
    for (const wrong of ['order-7', Number.NaN, 1.5, 2 ** 32, 7n, null]) {
      const key = wrong as number;
      expect(() => producer.publish(topic, new Uint8Array(1), key)).toThrow(/^key: expected a whole number/);
      expect(() => producer.publishWords(topic, Int32Array.of(1), 0, 1, key)).toThrow(BusError);
      expect(producer.reserve(4)).toBeGreaterThan(0);
      expect(() => producer.commit(topic, 4, key)).toThrow(/^key: expected a whole number/);
      producer.commit(topic, 4, 1);
    }
  });
});
