import { describe, expect, it } from 'vitest';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { TestBus } from './support/bus.ts';

/** Bytes that came to the heap while `run` ran, as far as looks between its rounds see them. */
function allocated(rounds: number, run: () => void): number {
  let bytes = 0;
  let before = process.memoryUsage().heapUsed;
  for (let round = 0; round < rounds; round += 1) {
    run();
    const now = process.memoryUsage().heapUsed;
    // A collection makes it less.
    bytes += Math.max(0, now - before);
    before = process.memoryUsage().heapUsed;
  }
  return bytes;
}

describe('publish, poll and receive', () => {
  for (const access of ['copy', 'view'] as const) {
    it(`allocate nothing by the message (${access})`, () => {
      const bus = new TestBus({ sizes: { slots: 1024, laneRing: 1024 }, router: { batchSize: 256 } });
      const topic = bus.topic('t');
      bus.subscribe('all', { access, lane: 'blocking', capacity: 512, viewMax: 256 });
      const consumer = bus.consumer('all');
      const { publisher } = bus.producer({ flushEvery: 64 });
      const batch = new MessageBatch(256, 256 * 16);
      const words = Int32Array.of(1, 2, 3, 4);
      const bytes = new Uint8Array(16);
      let received = 0;
      const round = (): void => {
        for (let turn = 0; turn < 100; turn += 1) {
          for (let index = 0; index < 128; index += 1) publisher.publishWords(topic, words, 0, 4, index);
          for (let index = 0; index < 64; index += 1) publisher.publish(topic, bytes, index);
          for (let index = 0; index < 64; index += 1) {
            const word = publisher.reserve(8);
            publisher.words[word] = index;
            publisher.commit(topic, 8);
          }
          bus.router.poll();
          received += consumer.receiver.receive(batch);
          bus.router.poll();
        }
      };
      // The compiler's own objects come first.
      for (let warm = 0; warm < 20; warm += 1) round();
      received = 0;
      const heap = allocated(20, round);
      expect(received).toBe(20 * 100 * 256);
      // An object a message would be 16 bytes at least, 8 MiB.
      expect(heap).toBeLessThan(512 * 1024);
    });
  }
});
