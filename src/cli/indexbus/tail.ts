import { subscriptionBody, subscriptionOf } from '../../engines/indexbus/config.ts';
import { BusError, type BusErrorCode } from '../../engines/indexbus/errors.ts';
import {
  type Bus,
  type Consumer,
  type ConsumerOptions,
  type MessageBatch,
  openBus,
} from '../../engines/indexbus/index.ts';
import { Exit } from '../../engines/indexbus/operatorCommands.ts';
import { isPattern } from '../../engines/indexbus/patterns.ts';
import { createRealHost } from '../../real/host.ts';
import { createRealTelemetry } from '../../real/telemetry.ts';
import { UsageError } from '../exit.ts';
import { onInterrupt } from '../interrupt.ts';
import { printSlowly, ReaderGone } from '../output.ts';
import { forget, sweepTails, tailSubscriptionName } from './tailSubscription.ts';
import { printable } from './text.ts';

/** Messages that may wait while a terminal is slow; what comes beyond is lost to this reader alone. */
const capacityMost = 1_024;
/** Time between two looks at whether somebody routes. */
const routerLookMs = 1_000;

/** What a tail that is told to end meets where there was nobody to wait for: it ends as it was told. */
const endings: readonly BusErrorCode[] = ['IB_CLOSED', 'IB_NO_SEGMENT', 'IB_NO_ROUTER', 'IB_RETIRED'];

export interface TailOptions {
  readonly segment: string;
  readonly directory?: string;
  readonly group?: string;
  readonly count?: number;
  readonly json?: boolean;
  /** Name of this machine. */
  readonly host: string;
}

/**
 * Prints the messages of a topic or pattern until `count`, a signal, or the end of the reader, and leaves nothing behind. Resolves to the exit code: 0 at
 * each of these ends, 1 where the router refuses it or takes its lane, 2 where nobody answers; what was refused is on standard error.
 *
 * @throws UsageError for what is no pattern, and for what cannot be the name of a segment
 */
export async function tailTopic(topic: string, options: TailOptions): Promise<number> {
  if (!isPattern(topic)) {
    throw new UsageError(
      `expected a topic or pattern such as orders.created, orders.* or orders.>, got ${JSON.stringify(topic)}`,
    );
  }
  const stopping = new AbortController();
  // Listened to until all is given back: a second signal of the same wish must not cut that off.
  const ignore = onInterrupt(() => stopping.abort());
  try {
    await attached(topic, options, stopping.signal);
    return Exit.good;
  } catch (error) {
    if (error instanceof ReaderGone) return Exit.good;
    if (!(error instanceof BusError)) throw error;
    if (stopping.signal.aborted && endings.includes(error.code)) return Exit.good;
    if (error.code === 'IB_BAD_CONFIG') throw new UsageError(`${error.code}: ${error.message}`);
    process.stderr.write(`${printable(`error: ${error.code}: ${error.message}`)}\n`);
    return error.code === 'IB_NO_SEGMENT' || error.code === 'IB_NO_ROUTER' ? Exit.undecided : Exit.bad;
  } finally {
    ignore();
  }
}

/** Tails as long as it is attached. */
async function attached(topic: string, options: TailOptions, stopping: AbortSignal): Promise<void> {
  const telemetry = createRealTelemetry({ level: 'error' });
  const host = createRealHost({ name: options.host, telemetry });
  const { segment, directory, group } = options;
  const bus = await openBus({
    segment,
    host,
    signal: stopping,
    ...(directory === undefined ? {} : { directory }),
    ...(group === undefined ? {} : { group }),
  });
  try {
    await subscribed(bus, topic, options, stopping);
  } finally {
    await bus.close();
  }
}

/** Tails with a subscription of its own, which goes with it. */
async function subscribed(bus: Bus, topic: string, options: TailOptions, stopping: AbortSignal): Promise<void> {
  const { laneRing } = bus.inspect().sizes;
  const capacity = Math.max(1, Math.min(capacityMost, laneRing / 2));
  const name = tailSubscriptionName();
  const body = subscriptionBody.parse({ topics: [topic], drop: 'oldest', capacity });
  await sweepTails(bus);
  try {
    if (stopping.aborted) return;
    const declare = subscriptionOf(name, body, laneRing);
    const consumer = await seated(bus, { subscription: name, name: `tail ${process.pid}`, declare }, stopping);
    // Its iteration ends by that. What closing it fails with is told where it is waited for.
    const stop = (): void => void consumer.close().catch(() => undefined);
    stopping.addEventListener('abort', stop);
    const unwatch = watchRouter(bus, options.segment);
    try {
      if (!stopping.aborted) await print(bus, consumer, options);
    } finally {
      unwatch();
      await consumer.close();
    }
  } finally {
    await forget(bus, name);
  }
}

/** Takes the lane. A router answers within milliseconds; where there is none, it is not waited for when the tail is to end. */
async function seated(bus: Bus, options: ConsumerOptions, stopping: AbortSignal): Promise<Consumer> {
  const giveUp = (): void => {
    if (!bus.isRouted()) void bus.close().catch(() => undefined);
  };
  stopping.addEventListener('abort', giveUp);
  try {
    return await bus.consumer(options);
  } finally {
    stopping.removeEventListener('abort', giveUp);
  }
}

async function print(bus: Bus, batches: AsyncIterable<MessageBatch>, options: TailOptions): Promise<void> {
  let names: readonly string[] = [];
  let left = options.count ?? Number.POSITIVE_INFINITY;
  for await (const batch of batches) {
    for (let at = 0; at < batch.length && left > 0; at += 1) {
      left -= 1;
      const number = batch.topic(at);
      if (number >= names.length) names = bus.inspect().topics;
      const topic = names[number] ?? String(number);
      const bytes = batch.bytes(at);
      await printSlowly(`${line(topic, batch.producer(at), batch.sequence(at), bytes, options.json === true)}\n`);
    }
    if (left <= 0) return;
  }
}

/** Says on standard error when the router has gone, and when there is one again; returns what ends that. */
function watchRouter(bus: Bus, segment: string): () => void {
  let wasRouted = true;
  const look = setInterval(() => {
    const isRouted = bus.isRouted();
    if (isRouted === wasRouted) return;
    wasRouted = isRouted;
    process.stderr.write(
      isRouted
        ? `a router routes ${segment} again\n`
        : `nobody routes ${segment}: what comes waits for the next router, and so does this tail\n`,
    );
  }, routerLookMs);
  return () => clearInterval(look);
}

function line(topic: string, producer: number, sequence: number, bytes: Uint8Array, json: boolean): string {
  if (json) return JSON.stringify({ topic, producer, sequence, payload: Buffer.from(bytes).toString('base64') });
  const text = Buffer.from(bytes).toString('utf8');
  const shown = /^[\P{C}\t]*$/u.test(text) ? text : Buffer.from(bytes).toString('hex');
  return `${printable(topic)} ${producer}:${sequence} ${shown}`;
}
