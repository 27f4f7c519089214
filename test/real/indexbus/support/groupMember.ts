/**
 * A consumer of a group in a process of its own. Usage: groupMember.ts DIRECTORY SEGMENT SUBSCRIPTION FILE. Says `ready`, takes a seat with the line `go`
 * and says `seated`, writes down what it receives before it is through with it, ends with the line `stop`.
 */
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { MessageBatch, openBus } from '../../../../src/engines/indexbus/index.ts';
import { loadNative } from '../../../../src/real/native.ts';
import { busHost } from './roles.ts';

/** Most messages of one receive. */
const batchSize = 8;

const [directory = '', segment = '', subscription = '', file = ''] = process.argv.slice(2);
const native = loadNative();
if (!('addon' in native)) throw new Error(native.reason);
const host = busHost(native.addon, directory);
const notes = openSync(file, 'a');
const say = (said: string): void => {
  process.stdout.write(`${JSON.stringify({ said, pid: process.pid })}\n`);
};
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
say('ready');
await lines.next();
let isStopped = false;
void lines.next().then(() => {
  isStopped = true;
});
const bus = await openBus({ host, segment, attachTimeoutMs: 10_000 });
const consumer = await bus.consumer({ subscription, batch: batchSize });
say('seated');
const batch = new MessageBatch(batchSize, batchSize * 64);
while (!isStopped) {
  const count = consumer.receive(batch);
  if (count === 0) {
    await consumer.ready(20);
    continue;
  }
  let text = '';
  for (let index = 0; index < count; index += 1) {
    const [number = -1, inverse = 0] = batch.words.subarray(batch.wordOffset(index));
    if (inverse !== ~number) throw new Error(`a torn payload: ${number} ${inverse}`);
    text += `${number} ${batch.requeued(index) ? 1 : 0} ${batch.redelivered(index) ? 1 : 0}\n`;
  }
  writeSync(notes, text);
  // Slower than its producer: its lane is full when it is killed.
  await host.clock.sleep(4);
}
await consumer.close();
await bus.close();
say('stopped');
process.exit(0);
