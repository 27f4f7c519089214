import type { RunningStreamBus } from '../../../engines/streambus/engine.ts';
import { scrubPartition } from '../../../engines/streambus/log/jobs.ts';
import { Partition } from '../../../engines/streambus/log/partition.ts';
import type { NodeRecord } from './nodeRecord.ts';

/**
 * An operator's `POST /admin/storage/scrub` to every broker whose disk has rotted, once everything is healed. What was not read since is
 * not known there, and healing does not put it back where its sector was written meanwhile: without this, what the broker could not
 * know yet would stand in its files at the end.
 */
export class Scrubs {
  readonly #records: readonly NodeRecord[];
  readonly #states = new Map<RunningStreamBus, 'runs' | 'done'>();

  constructor(records: readonly NodeRecord[]) {
    this.#records = records;
  }

  /** What is still to be read or repaired; undefined: nothing. */
  missing(): string | undefined {
    for (const { node, disks, running } of this.#records) {
      if (disks.data.rottedSectors === 0) continue;
      if (running === undefined) return `${node} does not run`;
      if (this.#states.get(running) === undefined) this.#begin(running);
      if (this.#states.get(running) !== 'done') return `${node} is being scrubbed`;
      const damaged = partitionsOf(running).find(({ damage }) => damage.length > 0);
      if (damaged !== undefined)
        return `${node}: a stretch of ${damaged.info.topic}/${damaged.info.partition} is shut off`;
    }
    return undefined;
  }

  #begin(running: RunningStreamBus): void {
    this.#states.set(running, 'runs');
    const { signal } = new AbortController();
    const scrub = async (): Promise<void> => {
      for (const partition of partitionsOf(running)) await scrubPartition(partition, signal);
    };
    scrub().then(
      () => this.#states.set(running, 'done'),
      // A replica that moved away meanwhile, say: asked again it begins again.
      () => this.#states.delete(running),
    );
  }
}

function partitionsOf({ bus }: RunningStreamBus): Partition[] {
  return [...bus.services.partitions].filter((replica) => replica instanceof Partition);
}
