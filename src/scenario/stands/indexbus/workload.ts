import type { History } from '../../../checkers/recorder.ts';
import type { Producer } from '../../../engines/indexbus/busProducer.ts';
import type { LoadControl } from '../../../faults/load.ts';
import type { Machine } from '../../../sim/machine.ts';
import type { World } from '../../../sim/world.ts';
import type { Sample, Workload } from '../stand.ts';
import { consume } from './consumerProgram.ts';
import { Latencies } from './latencies.ts';
import type { ConsumerLoad, IndexBusLoad, ProducerLoad } from './loadSchema.ts';
import { Participant } from './participant.ts';
import { produce } from './producerProgram.ts';
import type { Waits } from './waits.ts';
import type { Books } from './witness/watchedMemory.ts';

/** Time between the starts of two participants. */
const startEveryMs = 20;

export interface WorkloadOptions {
  readonly world: World;
  readonly history: History;
  readonly books: Books;
  readonly waits: Waits;
  /** The machine on which a node runs. */
  readonly machineOf: (node: string) => Machine;
  readonly goOn: (machine: Machine) => void;
  /** Told before each access of a participant. */
  readonly beforeAccess: (name: string, goOn: () => void) => void;
  readonly note: (text: string, node: string) => void;
}

/** Producers and consumers, each in a container of its own on the machine of its node. */
export class IndexBusWorkload implements Workload, LoadControl {
  readonly #options: WorkloadOptions;
  readonly participants = new Map<string, Participant>();
  /** Producers that have a seat. */
  readonly attached = new Map<string, Producer>();
  readonly #latencies = new Latencies();
  #load: IndexBusLoad;
  readonly #factors = new Set<{ readonly factor: number }>();
  #isStopped = false;
  #processes = 0;

  constructor(load: IndexBusLoad, options: WorkloadOptions) {
    this.#options = options;
    this.#load = load;
    this.#grow();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  change(load: unknown): void {
    this.#load = load as IndexBusLoad; // parsed by `indexBusLoadSchema`
    this.#grow();
  }

  scale(factor: number): () => void {
    const entry = { factor };
    this.#factors.add(entry);
    return () => this.#factors.delete(entry);
  }

  /** Nothing is published any more; consumers go on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
  }

  /** What the consumers on the machine of a node measure. */
  metricsOn(node: string): readonly Sample[] {
    const own = Object.entries(this.#load.consumers).filter(([, consumer]) => consumer.node === node);
    return this.#latencies.take(own.map(([name]) => name));
  }

  /** NUMA node on which a participant runs. */
  numaNodeOf(name: string): number {
    const { producers, consumers } = this.#load;
    return this.participants.get(name)?.boundTo ?? (producers[name] ?? consumers[name])?.['numa node'] ?? 0;
  }

  /** Starts whoever is down and should not be. */
  startAll(): void {
    for (const participant of this.participants.values()) if (!participant.isStopped) participant.start();
  }

  #factor(): number {
    let factor = this.#isStopped ? 0 : 1;
    for (const entry of this.#factors) factor *= entry.factor;
    return factor;
  }

  #grow(): void {
    // Consumers first, or what is published meanwhile is nobody's.
    for (const [name, { node }] of Object.entries(this.#load.consumers)) this.#add(name, node, 'consumer');
    for (const [name, { node }] of Object.entries(this.#load.producers)) this.#add(name, node, 'producer');
  }

  #add(name: string, node: string, role: 'producer' | 'consumer'): void {
    if (this.participants.has(name)) return;
    const { world, history, books, machineOf, goOn, note, waits, beforeAccess } = this.#options;
    const within = machineOf(node);
    const participant: Participant = new Participant({
      name,
      machine: world.addMachine(name, { within }),
      books,
      history,
      nextProcess: () => this.#processes++,
      note,
      goOn: () => goOn(within),
      beforeAccess: () => beforeAccess(name, () => goOn(within)),
      session: (context, attached) =>
        role === 'producer'
          ? produce(
              context,
              () => this.#producerOrders(name),
              (producer) => {
                if (producer === undefined) this.attached.delete(name);
                else {
                  this.attached.set(name, producer);
                  attached();
                }
              },
            )
          : consume(
              context,
              () => this.#consumerOrders(name),
              attached,
              (book, lane) => waits.begin(book, lane, participant),
              (ms) => this.#latencies.add(name, ms),
            ),
    });
    this.participants.set(name, participant);
    // One after the other, so that seats have the order of the file.
    world.scheduler.after(startEveryMs * this.participants.size, `start ${name}`, undefined, () => participant.start());
  }

  #producerOrders(name: string) {
    const load = this.#load;
    const own: ProducerLoad | undefined = load.producers[name];
    return {
      segments: own?.segments ?? [],
      topics: own?.topics ?? load.topics,
      rate: (own?.rate ?? load.rate) * this.#factor(),
      everyMs: load.every,
      burst: own?.burst ?? load.burst,
      bytes: own?.bytes ?? load.bytes,
      keys: load.keys,
      hotKey: load['hot key'] / 100,
      publish: own?.publish ?? ('words' as const),
      checked: own?.checked ?? false,
      hasty: (own?.hasty ?? 0) / 100,
      flushAfterMs: own?.['flush after'] ?? 0,
    };
  }

  #consumerOrders(name: string) {
    const load = this.#load;
    const own: ConsumerLoad | undefined = load.consumers[name];
    return {
      segments: own?.segments ?? [],
      subscription: own?.subscription ?? '',
      batch: own?.batch ?? 256,
      serviceMs: own?.service ?? load.service,
      perBatchMs: load['per batch'],
      acks: own?.acks ?? false,
      checked: own?.checked ?? false,
      hasty: (own?.hasty ?? 0) / 100,
    };
  }
}
