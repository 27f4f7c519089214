import type { Operation } from '../../src/checkers/history.ts';
import { op } from './histories.ts';

// The logs that porcupine was tested with: of Jepsen's etcd test, and of a key-value store.

/** `INFO  jepsen.util - 3 :invoke :cas [1 2]`. A `:fail :cas` is an answer: the value differed. */
export function parseEtcd(text: string): Operation[] {
  const operations: Operation[] = [];
  const open = new Map<string, Operation>();
  let order = 0;
  for (const line of text.split('\n')) {
    const match = /- (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, process = '', kind = '', f = '', rest = ''] = match;
    order++;
    if (kind === 'invoke') {
      const numbers = (rest.match(/-?\d+/g) ?? []).map(Number);
      const input = f === 'cas' ? { expected: numbers[0], value: numbers[1] } : f === 'write' ? numbers[0] : undefined;
      const operation = op(
        operations.length,
        Number(process),
        f,
        input,
        order,
        Number.POSITIVE_INFINITY,
        undefined,
        'info',
      );
      operations.push(operation);
      open.set(process, operation);
      continue;
    }
    const operation = open.get(process);
    if (operation === undefined) throw new Error(`completion without invocation: ${line}`);
    open.delete(process);
    if (kind === 'info') continue;
    operation.outcome = 'ok';
    operation.completedOrder = order;
    if (f === 'cas') operation.output = kind === 'ok';
    if (f === 'read' && rest.trim() !== 'nil') operation.output = Number(rest);
  }
  return operations;
}

/** `{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}`. */
export function parseKv(text: string): Operation[] {
  const operations: Operation[] = [];
  const open = new Map<string, Operation>();
  let order = 0;
  for (const line of text.split('\n')) {
    const match = /:process (\d+), :type :(\w+), :f :(\w+), :key "(.*?)", :value (nil|"(.*)")/.exec(line);
    if (match === null) continue;
    const [, process = '', kind = '', f = '', key = '', , value] = match;
    order++;
    if (kind === 'invoke') {
      const input = value === undefined ? { key } : { key, value };
      const operation = op(
        operations.length,
        Number(process),
        f,
        input,
        order,
        Number.POSITIVE_INFINITY,
        undefined,
        'info',
      );
      operations.push(operation);
      open.set(process, operation);
      continue;
    }
    const operation = open.get(process);
    if (operation === undefined) throw new Error(`completion without invocation: ${line}`);
    operation.outcome = 'ok';
    operation.completedOrder = order;
    if (f === 'get') operation.output = value ?? '';
  }
  return operations;
}
