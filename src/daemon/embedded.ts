import { type Embedded, type EmbeddedOptions, startEmbeddedOn } from '../engines/streambus/embedded.ts';
import type { Disk } from '../host/disk.ts';
import { createDrawing } from '../host/drawing.ts';
import type { Random, RandomStream } from '../host/random.ts';
import { createRealHost } from '../real/host.ts';
import { createMemoryDisk } from '../real/memoryDisk.ts';

/** Embedded brokers of this process. */
export interface StartEmbeddedOptions extends EmbeddedOptions {
  /** `memory`, forgotten with the brokers; or a directory, in which each broker has one of its own. Default `memory`. */
  readonly disk?: 'memory' | string;
  /** Draws of elections, ids and pauses are the same for the same seed; what the kernel and the clients do is not. */
  readonly seed?: number;
}

/**
 * Starts real brokers in this process, on free ports of loopback; one is ready within 300 ms. They log nothing below `error`.
 *
 *     const bus = await startEmbedded({ topics: { orders: 3 } });
 *     // any Kafka client: new Kafka({ brokers: [...bus.bootstrap] })
 *     await bus.stop();
 */
export async function startEmbedded(options: StartEmbeddedOptions = {}): Promise<Embedded> {
  const { disk = 'memory', seed } = options;
  const memory = new Map<number, Disk>();
  const diskOf = (broker: number): Disk => {
    const known = memory.get(broker) ?? createMemoryDisk();
    memory.set(broker, known);
    return known;
  };
  // One for each start of a broker: its metrics begin at zero.
  const telemetry = { options: { level: 'error' } } as const;
  return await startEmbeddedOn(
    {
      host(broker, incarnation) {
        const host = createRealHost({
          name: '127.0.0.1',
          incarnation,
          telemetry,
          ...(disk === 'memory' ? { disk: diskOf(broker) } : {}),
        });
        return seed === undefined ? host : { ...host, random: seededRandom(`${seed} ${broker} ${incarnation}`) };
      },
      async address() {
        const { network } = createRealHost({ name: '127.0.0.1', telemetry });
        const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => connection.destroy());
        await listener.close();
        return listener.address;
      },
      directory: (broker) => (disk === 'memory' ? '/data' : `${disk}/broker-${broker}`),
    },
    options,
  );
}

/** Streams by label, each seeded with it: mulberry32 (T. Ettinger, 2017) over an FNV-1a hash. */
function seededRandom(seed: string): Random {
  const streams = new Map<string, RandomStream>();
  return {
    stream(label) {
      const known = streams.get(label);
      if (known !== undefined) return known;
      let state = fnv1a(`${seed} ${label}`);
      const stream = createDrawing(() => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return (mixed ^ (mixed >>> 14)) >>> 0;
      });
      streams.set(label, stream);
      return stream;
    },
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
