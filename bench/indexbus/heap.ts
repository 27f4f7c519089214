/**
 * Growth of the heap over many messages from publish through the router to receive: nothing may be allocated per message. In a process of its own
 * (`growthInProcess`): what else a process has run decides what the compiler draws together.
 */
import { spawnSync } from 'node:child_process';
import { createSegment, MessageBatch, openBus, Router } from '../../src/engines/indexbus/index.ts';
import { batchMost, messageWords } from './message.ts';
import { benchHost, benchSizes, everything } from './stage.ts';

/** Bytes by which the heap has grown: as it is, and what a collection leaves of that. */
export interface Growth {
  readonly grown: number;
  readonly kept: number;
}

/** Moves so many messages on this thread through the whole of a bus. */
export async function heapGrowth(messages: number, directory: string): Promise<Growth> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('the growth of a heap is told with --expose-gc');
  const host = benchHost(directory);
  const segment = await createSegment({ shm: host.shm, name: 'heap' }, benchSizes, 1);
  const router = new Router(segment, { clock: host.clock, telemetry: host.telemetry });
  router.apply({ do: 'put-subscription', subscription: everything });
  let joining = true;
  const polls = (async () => {
    while (joining) {
      router.poll();
      await host.clock.sleep(1);
    }
  })();
  const bus = await openBus({ host, segment: 'heap', atEndOfTurn: () => undefined });
  const topic = await bus.topic('there');
  const producer = await bus.producer({ flushEvery: 64 });
  const consumer = await bus.consumer({ subscription: 'all', batch: batchMost });
  joining = false;
  await polls;
  const batch = new MessageBatch(batchMost, batchMost * messageWords * 4);
  const words = new Int32Array(messageWords);
  const payload = new Uint8Array(messageWords * 4);
  const move = (count: number): void => {
    for (let moved = 0; moved < count; ) {
      for (let index = 0; index < 1024; index += 1) {
        words[0] = index;
        // Every way to publish has its share.
        if ((index & 3) === 0) producer.publish(topic, payload);
        else if ((index & 3) === 1) {
          const at = producer.reserve(64);
          if (at >= 0) {
            producer.words[at] = index;
            producer.commit(topic, 64);
          }
        } else producer.publishWords(topic, words, 0, messageWords);
      }
      producer.flush();
      while (router.poll() > 0) {
        for (let got = consumer.receive(batch); got > 0; got = consumer.receive(batch)) moved += got;
      }
    }
  };
  // The compiler's own objects, and those of code that it has not drawn together yet: small functions that run once a batch are last.
  move(20_000_000);
  gc();
  const before = process.memoryUsage().heapUsed;
  move(messages);
  const grown = process.memoryUsage().heapUsed - before;
  gc();
  const kept = process.memoryUsage().heapUsed - before;
  segment.region.close();
  return { grown, kept };
}

/** The same in a process of its own. */
export function growthInProcess(messages: number, directory: string): Growth {
  const given = ['--expose-gc', import.meta.filename, String(messages), directory];
  const { stdout, stderr, status } = spawnSync(process.execPath, given, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the process of the heap ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

if (import.meta.main) {
  const [messages, directory = ''] = process.argv.slice(2);
  console.log(JSON.stringify(await heapGrowth(Number(messages), directory)));
  process.exit(0);
}
