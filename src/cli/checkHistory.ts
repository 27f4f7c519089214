/** Reads a history for `hotfire check`, and refuses what is none: nobody gets a verdict on what cannot have been recorded. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { Operation } from '../checkers/history.ts';
import { operationFromLine } from '../checkers/recorder.ts';
import { UsageError } from './exit.ts';

/** What is unpacked at a time, in bytes. */
const chunkBytes = 256 << 10;

/**
 * The operations of a file: NDJSON, compressed with gzip if its name ends with `.gz`, read line by line, since a text of V8 ends at
 * half a gigabyte. Throws a UsageError for a line that is no operation, and for operations that cannot be of one history.
 */
export async function readHistory(file: string): Promise<Operation[]> {
  try {
    const operations: Operation[] = [];
    let number = 0;
    for await (const line of linesOf(file)) {
      number++;
      if (line.trim() !== '') operations.push(operationFromLine(line, number));
    }
    assertOneHistory(operations);
    return operations;
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const source = createReadStream(file, { highWaterMark: chunkBytes });
  const unpacked = file.endsWith('.gz') ? source.pipe(createGunzip({ chunkSize: chunkBytes })) : source;
  if (unpacked !== source) source.on('error', (error) => unpacked.destroy(error));
  // A line may be longer than a chunk: its pieces are put together once.
  let pieces: string[] = [];
  for await (const chunk of unpacked.setEncoding('utf8')) {
    const [first = '', ...others] = String(chunk).split('\n');
    pieces.push(first);
    for (const next of others) {
      yield pieces.join('');
      pieces = [next];
    }
  }
  yield pieces.join('');
}

/** Ids and orders are there once, and a process does one thing at a time. */
function assertOneHistory(operations: readonly Operation[]): void {
  const ids = new Set<number>();
  const orders = new Map<number, number>();
  for (const { id, invokedOrder, completedOrder } of operations) {
    if (ids.has(id)) throw new Error(`operation ${id} is there twice: expected ids that tell operations apart`);
    ids.add(id);
    for (const place of [invokedOrder, completedOrder]) {
      if (place === Number.POSITIVE_INFINITY) continue;
      const other = orders.get(place);
      if (other !== undefined) {
        throw new Error(
          `operations ${other} and ${id} share the order ${place}: expected one for each call and answer`,
        );
      }
      orders.set(place, id);
    }
  }
  const last = new Map<number, Operation>();
  for (const operation of [...operations].sort((a, b) => a.invokedOrder - b.invokedOrder)) {
    const before = last.get(operation.process);
    last.set(operation.process, operation);
    if (before === undefined || before.completedOrder < operation.invokedOrder) continue;
    throw new Error(
      `process ${operation.process} called operation ${operation.id} while its operation ${before.id} was under way: ` +
        'expected one at a time, and a new process after an operation without an answer',
    );
  }
}
