import { subscriptionBody, subscriptionOf } from '../../engines/indexbus/config.ts';
import { openBus } from '../../engines/indexbus/index.ts';
import { openSegment } from '../../engines/indexbus/segment.ts';
import { readTopics } from '../../engines/indexbus/topics.ts';
import { createRealHost } from '../../real/host.ts';
import { createRealTelemetry } from '../../real/telemetry.ts';
import { onInterrupt } from '../interrupt.ts';
import { printSlowly, ReaderGone } from '../output.ts';

/** Messages that may wait while a terminal is slow; what comes beyond is lost to this reader alone. */
const capacity = 1_024;

export interface TailOptions {
  readonly segment: string;
  readonly directory?: string;
  readonly count?: number;
  readonly json?: boolean;
  /** Name of this machine. */
  readonly host: string;
}

/** Prints the messages of a topic or pattern until `count`, a signal, or the end of the reader. */
export async function tailTopic(topic: string, options: TailOptions): Promise<void> {
  const telemetry = createRealTelemetry({ level: 'error' });
  const host = createRealHost({ name: options.host, telemetry });
  const { directory } = options;
  const bus = await openBus({ segment: options.segment, host, ...(directory === undefined ? {} : { directory }) });
  // The same for every tail of this topic, so that subscriptions do not pile up.
  const name = `tail.${topic.replace(/[^a-z0-9._-]/g, (it) => (it === '*' ? '_any' : it === '>' ? '_all' : it.toLowerCase()))}`;
  const declare = subscriptionOf(
    name,
    subscriptionBody.parse({ topics: [topic], drop: 'oldest', capacity }),
    2 * capacity,
  );
  const consumer = await bus.consumer({ subscription: name, name: `tail ${host.pid}`, declare });
  const names = new Map<number, string>();
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const ignore = onInterrupt((code) => {
    process.exitCode = code;
    void consumer.close();
  });
  try {
    for await (const batch of consumer) {
      for (let at = 0; at < batch.length && left > 0; at += 1) {
        left -= 1;
        const number = batch.topic(at);
        const known = names.get(number) ?? (await nameOf(number));
        names.set(number, known);
        await printSlowly(
          `${line(known, batch.producer(at), batch.sequence(at), batch.bytes(at), options.json === true)}\n`,
        );
      }
      if (left <= 0) break;
    }
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  } finally {
    ignore();
    await bus.close();
  }

  async function nameOf(number: number): Promise<string> {
    const segment = await openSegment({
      shm: host.shm,
      name: options.segment,
      ...(directory === undefined ? {} : { directory }),
    });
    try {
      return [...readTopics(segment.region, segment.layout).keys()][number] ?? String(number);
    } finally {
      segment.region.close();
    }
  }
}

function line(topic: string, producer: number, sequence: number, bytes: Uint8Array, json: boolean): string {
  if (json) return JSON.stringify({ topic, producer, sequence, payload: Buffer.from(bytes).toString('base64') });
  const text = Buffer.from(bytes).toString('utf8');
  const shown = /^[\P{C}\t]*$/u.test(text) ? text : Buffer.from(bytes).toString('hex');
  return `${topic} ${producer}:${sequence} ${shown}`;
}
