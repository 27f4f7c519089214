/** Reads the logs that porcupine is tested with: of Jepsen's etcd test, and of a key-value store. */
import type { Operation } from '../../src/checkers/history.ts';

/** One line of a log: a call, or what came of it. */
interface Event {
  readonly process: string;
  readonly kind: string;
  readonly f: string;
  readonly input: unknown;
  /** The answer; undefined: the operation stays in doubt. */
  readonly answer: { readonly output: unknown } | undefined;
}

/** `INFO  jepsen.util - 3 :invoke :cas [1 2]`. A `:fail :cas` is an answer: the value differed. */
export function parseEtcd(text: string): Operation[] {
  return historyOf(text, (line) => {
    const match = /- (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$/.exec(line);
    if (match === null) return undefined;
    const [, process = '', kind = '', f = '', rest = ''] = match;
    const [first, second] = (rest.match(/-?\d+/g) ?? []).map(Number);
    const input = f === 'cas' ? { expected: first, value: second } : f === 'write' ? first : undefined;
    const read = rest.trim() === 'nil' ? undefined : Number(rest);
    const output = f === 'cas' ? kind === 'ok' : f === 'read' ? read : undefined;
    return { process, kind, f, input, answer: kind === 'info' ? undefined : { output } };
  });
}

/** `{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}`. */
export function parseKv(text: string): Operation[] {
  return historyOf(text, (line) => {
    const match = /:process (\d+), :type :(\w+), :f :(\w+), :key "(.*?)", :value (nil|"(.*)")/.exec(line);
    if (match === null) return undefined;
    const [, process = '', kind = '', f = '', key = '', , value] = match;
    const input = value === undefined ? { key } : { key, value };
    return { process, kind, f, input, answer: { output: f === 'get' ? (value ?? '') : undefined } };
  });
}

/** Puts calls and answers together; lines that are no events are passed over. Orders are numbers of events, and so are times. */
function historyOf(text: string, read: (line: string) => Event | undefined): Operation[] {
  const operations: Operation[] = [];
  const open = new Map<string, Operation>();
  let order = 0;
  for (const line of text.split('\n')) {
    const event = read(line);
    if (event === undefined) continue;
    const { process, kind, f, input, answer } = event;
    order++;
    if (kind === 'invoke') {
      const operation: Operation = {
        id: operations.length,
        process: Number(process),
        f,
        input,
        invokedAt: order,
        invokedOrder: order,
        outcome: 'info',
        completedAt: Number.POSITIVE_INFINITY,
        completedOrder: Number.POSITIVE_INFINITY,
      };
      operations.push(operation);
      open.set(process, operation);
      continue;
    }
    const operation = open.get(process);
    if (operation === undefined) throw new Error(`completion without invocation: ${line}`);
    open.delete(process);
    if (answer === undefined) continue;
    operation.outcome = 'ok';
    operation.completedAt = order;
    operation.completedOrder = order;
    if (answer.output !== undefined) operation.output = answer.output;
  }
  return operations;
}
