/** Rows of the bus that are no rates: what a crash may cost while none happens, joins, a recovery. */
import { createSegment, MessageBatch, openBus, Router, type Segment } from '../../src/engines/indexbus/index.ts';
import { loadEngine } from './bareBuild.ts';
import { startMate } from './crew.ts';
import { batchMost, checkAll, messageWords, writeMessage } from './message.ts';
import { benchHost, benchSizes, everything } from './stage.ts';

type Engine = Awaited<ReturnType<typeof loadEngine>>;

/** A bus on this thread: nanoseconds a message of one pass, from publish to the last compare. */
async function alone(engine: Engine, directory: string, name: string): Promise<() => number> {
  const host = benchHost(directory);
  const segment = await engine.createSegment({ shm: host.shm, name, backing: 'tmpfs' }, benchSizes, 1);
  const router = new engine.Router(segment, { clock: host.clock, telemetry: host.telemetry });
  router.apply({ do: 'put-subscription', subscription: everything });
  const bus = engine.openBus({ host, segment: name, atEndOfTurn: () => undefined });
  const turn = setInterval(() => router.poll(), 1);
  const opened = await bus;
  const topic = await opened.topic('there');
  const producer = await opened.producer({ flushEvery: batchMost });
  const consumer = await opened.consumer({ subscription: 'all', batch: batchMost });
  clearInterval(turn);
  const batch = new engine.MessageBatch(batchMost, batchMost * messageWords * 4);
  const { words } = producer;
  const batches = 16;
  let sent = 0;
  return () => {
    const began = performance.now();
    for (let index = 0; index < batches; index += 1) {
      const first = sent;
      for (let message = 0; message < batchMost; message += 1) {
        writeMessage(words, producer.reserve(messageWords * 4), sent);
        producer.commit(topic, messageWords * 4);
        sent = (sent + 1) | 0;
      }
      if (router.poll() !== batchMost || consumer.receive(batch) !== batchMost)
        throw new Error('a batch was torn apart');
      checkAll(batch.words, first, batchMost);
    }
    router.poll();
    return ((performance.now() - began) * 1e6) / (batches * batchMost);
  };
}

/** Nanoseconds a message of the engine as it is and without steps and redo record, pairs of one round each. */
export async function crashCosts(directory: string, rounds: number): Promise<readonly (readonly [number, number])[]> {
  const asItIs = await alone(await loadEngine(false), directory, 'as-it-is');
  const without = await alone(await loadEngine(true), directory, 'without');
  const seen: [number, number][] = [];
  for (let round = -rounds; round < rounds; round += 1) {
    const first = round % 2 === 0 ? asItIs() : without();
    const second = round % 2 === 0 ? without() : asItIs();
    if (round >= 0) seen.push(round % 2 === 0 ? [first, second] : [second, first]);
  }
  return seen;
}

const manySeats = { ...benchSizes, producers: 32, lanes: 32, slots: 4096 };

/** Milliseconds until 32 producers and 32 consumers, which begin at once, have their seats from a router in another process. */
export async function joins(directory: string): Promise<number> {
  const host = benchHost(directory);
  const segment = await createSegment({ shm: host.shm, name: 'joins', backing: 'tmpfs' }, manySeats, 1);
  declare(segment, directory);
  const mate = await startMate('process', { role: 'route', directory, segment: 'joins', spins: 0 });
  try {
    void mate.order({ messages: 0, batch: 0 }).catch(() => undefined);
    const bus = await openBus({ host, segment: 'joins', attachTimeoutMs: 30_000 });
    const began = performance.now();
    const wanted: Promise<unknown>[] = [];
    for (let seat = 0; seat < 32; seat += 1) wanted.push(bus.producer(), bus.consumer({ subscription: 'all' }));
    await Promise.all(wanted);
    const ms = performance.now() - began;
    await bus.close();
    return ms;
  } finally {
    mate.end();
    segment.region.close();
    await host.shm.remove('joins');
  }
}

function declare(segment: Segment, directory: string): void {
  const host = benchHost(directory);
  const router = new Router(segment, { clock: host.clock, telemetry: host.telemetry });
  router.apply({ do: 'put-subscription', subscription: { ...everything, capacity: 2048 } });
  router.apply({ do: 'create-topic', name: 'there' });
  router.close();
}

/**
 * Milliseconds in which a successor takes over a segment of the default size, whose sixteen sources and sixteen lanes are full: 8192 messages under
 * way each.
 */
export async function recovery(directory: string, rounds: number): Promise<readonly number[]> {
  const host = benchHost(directory);
  const sizes = { producers: 16, lanes: 16, slots: 8192, laneRing: 16_384, slotBytes: 256, topics: 1024 };
  const segment = await createSegment({ shm: host.shm, name: 'recovery', backing: 'tmpfs' }, sizes, 1);
  const options = { clock: host.clock, telemetry: host.telemetry };
  let router = new Router(segment, options);
  router.apply({ do: 'put-subscription', subscription: { ...everything, capacity: 8192 } });
  const turn = setInterval(() => router.poll(), 1);
  const bus = await openBus({ host, segment: 'recovery', attachTimeoutMs: 30_000, atEndOfTurn: () => undefined });
  const topic = await bus.topic('there');
  const producers = await Promise.all(Array.from({ length: 16 }, () => bus.producer()));
  const consumers = await Promise.all(Array.from({ length: 16 }, () => bus.consumer({ subscription: 'all' })));
  clearInterval(turn);
  const words = new Int32Array(messageWords);
  const fill = (): void => {
    for (const producer of producers) while (producer.publishWords(topic, words, 0, messageWords));
  };
  fill();
  while (router.poll() > 0);
  fill();
  const seen: number[] = [];
  for (let round = -2; round < rounds; round += 1) {
    // Nothing was closed: as if it had died.
    const began = performance.now();
    router = new Router(segment, options);
    if (round >= 0) seen.push(performance.now() - began);
  }
  const batch = new MessageBatch(batchMost, batchMost * messageWords * 4);
  if (consumers.some((consumer) => consumer.receive(batch) !== batchMost)) throw new Error('a lane was not full');
  segment.region.close();
  await host.shm.remove('recovery');
  return seen;
}
