/** A participant of the bus's benchmark, in a process or on a thread of its own. Takes a start, then orders, and answers each. */
import { parentPort, workerData } from 'node:worker_threads';
import { MessageBatch, openBus, openSegment, type Producer, Router } from '../../src/engines/indexbus/index.ts';
import { Header } from '../../src/engines/indexbus/layout.ts';
import { loopStats } from '../../src/engines/indexbus/loopStats.ts';
import { RouterLoop } from '../../src/engines/indexbus/routerLoop.ts';
import { Waiting } from '../../src/engines/indexbus/waiting.ts';
import { hopPublisher, hopWaiting, SourceReader } from './hop.ts';
import { batchMost, checkAll, isWhole, messageWords, writeMessage } from './message.ts';
import { type Answer, backOf, benchHost, type Order, type Start } from './stage.ts';

const isThread = parentPort !== null;
const post = (message: unknown): void => {
  if (isThread) parentPort?.postMessage(message);
  else process.send?.(message);
};
type Told = { readonly start?: Start; readonly order?: Order };
const hear = (fn: (message: Told) => void): void => {
  // What comes is what `crew.ts` sends, or a peer's message, which `own` looks at itself.
  if (isThread) parentPort?.on('message', fn);
  else process.on('message', (message) => fn(message as Told));
};
const messageBytes = messageWords * 4;
const forever = Number.MAX_SAFE_INTEGER;

function cpuOfThread(): () => number {
  const began = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(began);
    return user + system;
  };
}

/** Receives until there were so many messages; seconds from the end of the first batch on. */
function receiving(take: () => number, rest: () => void, messages: number): Answer {
  const spent = cpuOfThread();
  let got = 0;
  while (got === 0) {
    got = take();
    if (got === 0) rest();
  }
  const first = got;
  const began = performance.now();
  while (got < messages) {
    const count = take();
    got += count;
    if (count === 0) rest();
  }
  return { messages: messages - first, seconds: (performance.now() - began) / 1000, cpu: spent() };
}

function tripping(order: Order, send: () => void, take: () => number, rest: () => void): Answer {
  const trips = new Float64Array(order.messages);
  const spent = cpuOfThread();
  const first = performance.now();
  for (let index = 0; index < order.messages; index += 1) {
    const began = performance.now();
    send();
    while (take() === 0) rest();
    trips[index] = ((performance.now() - began) * 1e6) / 2;
  }
  trips.sort();
  const at = (q: number): number => Math.round(trips[Math.floor(order.messages * q)] ?? 0);
  return {
    messages: order.messages,
    seconds: (performance.now() - first) / 1000,
    cpu: spent(),
    trips: [at(0.5), at(0.99), at(0.999)],
  };
}

function sending(order: Order, send: (sequence: number) => void): Answer {
  const spent = cpuOfThread();
  const began = performance.now();
  for (let index = 0; index < order.messages; index += 1) send(index);
  return { messages: order.messages, seconds: (performance.now() - began) / 1000, cpu: spent() };
}

type Run = (order: Order) => Answer | Promise<Answer>;

async function prepare(start: Start): Promise<Run> {
  const { role, spins: given } = start;
  const spins = given < 0 ? forever : given;
  if (role.startsWith('ringbuf')) return ringbuf(start);
  if (role === 'zeromq-receive') return zeromqReceive(start.address ?? '');
  const host = benchHost(start.directory);
  const place = { shm: host.shm, name: start.segment };
  if (role.startsWith('hop')) return hopRole(start, spins);
  if (role === 'route') {
    const segment = await openSegment(place);
    const router = new Router(segment, {
      clock: host.clock,
      telemetry: host.telemetry,
      options: { batchSize: batchMost },
    });
    const settings = { pollIntervalUs: 10_000, spinUs: 0 };
    const loop = new RouterLoop(router, segment, host, loopStats(), settings, {
      isCalled: () => false,
      sleepWithoutLook: false,
    });
    // Never comes back: it is killed.
    return () => {
      loop.run(() => true);
      throw new Error('a router has ended');
    };
  }
  const batch = new MessageBatch(batchMost, batchMost * messageWords * 4);
  let expected = 0;
  const checked = (count: number): number => {
    checkAll(batch.words, expected, count);
    expected = (expected + count) | 0;
    return count;
  };
  if (role === 'route-and-receive' || role === 'answer') return routeAnd(start, spins);
  const bus = await openBus({ host, segment: start.segment, attachTimeoutMs: 30_000, spins });
  if (role === 'receive') {
    const consumer = await bus.consumer({ subscription: 'all', batch: batchMost });
    return ({ messages }) => {
      expected = 0;
      return receiving(
        () => checked(consumer.receive(batch)),
        () => void consumer.readySync(1),
        messages,
      );
    };
  }
  if (role === 'send') {
    const producers = new Map<number, Producer>();
    const topic = await bus.topic('there');
    for (const flushEvery of [1, 64, 256]) producers.set(flushEvery, await bus.producer({ flushEvery }));
    return (order) => {
      const producer = producers.get(order.batch);
      if (producer === undefined) throw new Error(`no producer has batches of ${order.batch}`);
      // In place, as the program in C does it.
      const { words } = producer;
      const answer = sending(order, (sequence) => {
        let at = producer.reserve(messageBytes);
        while (at < 0) {
          producer.readySync(1000);
          at = producer.reserve(messageBytes);
        }
        writeMessage(words, at, sequence);
        producer.commit(topic, messageBytes);
      });
      producer.flush();
      return answer;
    };
  }
  // A trip: there by one topic, back by another.
  const topic = await bus.topic('there');
  const producer = await bus.producer({ flushEvery: 1 });
  const consumer = await bus.consumer({ subscription: 'answers', batch: batchMost });
  const words = new Int32Array(messageWords);
  return (order) => {
    let sequence = 0;
    expected = 0;
    const send = (): void => {
      writeMessage(words, 0, sequence);
      sequence += 1;
      producer.publishWords(topic, words, 0, messageWords);
    };
    return tripping(
      order,
      send,
      () => checked(consumer.receive(batch)),
      () => void consumer.readySync(1),
    );
  };
}

/** The router and what it shares its thread with: a consumer, that answers trips if it is to. */
async function routeAnd(start: Start, spins: number): Promise<Run> {
  const host = benchHost(start.directory);
  const segment = await openSegment({ shm: host.shm, name: start.segment });
  const router = new Router(segment, {
    clock: host.clock,
    telemetry: host.telemetry,
    options: { batchSize: batchMost },
  });
  let joining = true;
  const polls = (async () => {
    while (joining) {
      router.poll();
      await host.clock.sleep(1);
    }
  })();
  const bus = await openBus({ host, segment: start.segment, attachTimeoutMs: 30_000 });
  const answersTrips = start.role === 'answer';
  const topic = await bus.topic('back');
  const consumer = await bus.consumer({ subscription: 'all', batch: batchMost });
  const producer = answersTrips ? await bus.producer({ flushEvery: 1 }) : undefined;
  const batch = new MessageBatch(batchMost, batchMost * messageWords * 4);
  const head = segment.layout.laneCursors;
  const look = (): boolean =>
    router.hasWork() || Atomics.load(segment.words, head) !== Atomics.load(segment.words, head + 32);
  const noMutants = { sleepWithoutLook: false };
  const waiting = new Waiting(segment.region, host, Header.routerSleeping, Header.routerWake, look, spins, noMutants);
  // Others join while there are no rounds.
  void polls;
  let expected = 0;
  const take = (): number => {
    router.poll();
    const count = consumer.receive(batch);
    checkAll(batch.words, expected, count);
    expected = (expected + count) | 0;
    return count;
  };
  const rest = (): void => {
    if (!waiting.untilSync(1)) router.slept();
  };
  return async (order) => {
    joining = false;
    await polls;
    expected = 0;
    if (!answersTrips) {
      const answer = receiving(take, rest, order.messages);
      router.poll();
      return answer;
    }
    const words = new Int32Array(messageWords);
    const spent = cpuOfThread();
    const began = performance.now();
    for (let got = 0; got < order.messages; ) {
      const count = take();
      if (count === 0) {
        rest();
        continue;
      }
      writeMessage(words, 0, got);
      got += count;
      producer?.publishWords(topic, words, 0, messageWords);
      router.poll();
    }
    return { messages: order.messages, seconds: (performance.now() - began) / 1000, cpu: spent() };
  };
}

async function hopRole(start: Start, spins: number): Promise<Run> {
  const host = benchHost(start.directory);
  const there = await openSegment({ shm: host.shm, name: start.segment });
  const back = await openSegment({ shm: host.shm, name: backOf(start.segment) });
  const { role } = start;
  const isThere = role === 'hop-send' || role === 'hop-trip';
  const { publisher, waiting } = hopPublisher(isThere ? there : back, host, 0, 256, spins);
  const from = isThere ? back : there;
  const reader = new SourceReader(from, 0);
  const hasMail = hopWaiting(from, host, () => reader.has(), spins);
  let expected = 0;
  const take = (): number => {
    const count = reader.take();
    checkAll(reader.payloads, expected, count);
    expected = (expected + count) | 0;
    return count;
  };
  const rest = (): void => void hasMail.untilSync(1);
  const { words } = publisher;
  const send = (sequence: number): void => {
    let at = publisher.reserve(messageBytes);
    while (at < 0) {
      waiting.untilSync(1000);
      at = publisher.reserve(messageBytes);
    }
    writeMessage(words, at, sequence);
    publisher.commit(0, messageBytes);
  };
  return (order) => {
    expected = 0;
    if (role === 'hop-send') {
      const { batch } = order;
      const answer = sending(order, (sequence) => {
        send(sequence);
        if ((sequence + 1) % batch === 0) publisher.flush();
      });
      publisher.flush();
      return answer;
    }
    if (role === 'hop-receive') return receiving(take, rest, order.messages);
    if (role === 'hop-trip') {
      let sequence = 0;
      const sendOne = (): void => {
        send(sequence);
        publisher.flush();
        sequence += 1;
      };
      return tripping(order, sendOne, take, rest);
    }
    const spent = cpuOfThread();
    const began = performance.now();
    for (let got = 0; got < order.messages; ) {
      if (take() === 0) rest();
      else {
        send(got);
        publisher.flush();
        got += 1;
      }
    }
    return { messages: order.messages, seconds: (performance.now() - began) / 1000, cpu: spent() };
  };
}

/** The npm package's ring; it has no waiting of its own, so a side that finds nothing looks some time and then sleeps on a word. */
async function ringbuf({ memory, role, spins }: Start): Promise<Run> {
  const { RingBuffer } = await import('ringbuf.js');
  if (memory === undefined) throw new Error('a ring needs memory');
  // Its types name a class where the constructor is meant.
  const ring = new RingBuffer(memory, Int32Array as never);
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const rest = (look: () => boolean): void => {
    for (let spin = 0; spin < spins; spin += 1) if (look()) return;
    Atomics.wait(sleeper, 0, 0, 0.05);
  };
  const room = new Int32Array(batchMost * messageWords);
  return (order) => {
    if (role === 'ringbuf-receive') {
      let expected = 0;
      const take = (): number => {
        const whole = Math.min(batchMost, Math.floor(ring.available_read() / messageWords));
        if (whole === 0) return 0;
        ring.pop(room as never, whole * messageWords, 0);
        checkAll(room, expected, whole);
        expected += whole;
        return whole;
      };
      return receiving(take, () => rest(() => ring.available_read() >= messageWords), order.messages);
    }
    let filled = 0;
    const answer = sending(order, (sequence) => {
      writeMessage(room, filled * messageWords, sequence);
      filled += 1;
      if (filled < order.batch && sequence + 1 < order.messages) return;
      const words = filled * messageWords;
      while (ring.available_write() < words) rest(() => ring.available_write() >= words);
      ring.push(room as never, words, 0);
      filled = 0;
    });
    return answer;
  };
}

async function zeromqReceive(address: string): Promise<Run> {
  const { Pull } = await import('zeromq');
  const pull = new Pull();
  await pull.bind(address);
  return async ({ messages }) => {
    const spent = cpuOfThread();
    let got = 0;
    let began = 0;
    while (got < messages) {
      const [part] = await pull.receive();
      if (
        part === undefined ||
        !isWhole(new Int32Array(part.buffer.slice(part.byteOffset, part.byteOffset + 64)), 0, got)
      ) {
        throw new Error(`message ${got} is torn`);
      }
      if (got === 0) began = performance.now();
      got += 1;
    }
    return { messages: messages - 1, seconds: (performance.now() - began) / 1000, cpu: spent() };
  };
}

/** Receives what is sent to this thread or process itself, by the runtime's own way: windows are answered, so that the queue stays short. */
function own(order: Order): void {
  const spent = cpuOfThread();
  let got = 0;
  let began = 0;
  const take = (message: unknown): void => {
    const words = message instanceof Int32Array ? message : Int32Array.from((message as { words: number[] }).words);
    const count = words.length / messageWords;
    checkAll(words, got, count);
    if (got === 0) began = performance.now();
    got += count;
    if (got % 1024 === 0) post({ window: got });
    if (got < order.messages) return;
    owner = undefined;
    post({ answer: { messages: order.messages, seconds: (performance.now() - began) / 1000, cpu: spent() } });
  };
  owner = take;
}
let owner: ((message: unknown) => void) | undefined;

let run: Run | undefined;
const start = async (given: Start): Promise<void> => {
  const isOwn = given.role === 'port-receive' || given.role === 'json-receive';
  if (!isOwn) run = await prepare(given);
  post({ ready: true });
};
hear((message) => {
  if (owner !== undefined) owner(message);
  else if (message.start !== undefined) void start(message.start);
  else if (message.order !== undefined) {
    const { order } = message;
    if (run === undefined) own(order);
    else void Promise.resolve(run(order)).then((answer) => post({ answer }));
  }
});
if (isThread && workerData !== null) void start(workerData as Start);
