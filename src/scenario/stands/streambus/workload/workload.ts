import type { Host } from '../../../../host/host.ts';
import type { Address } from '../../../../host/network.ts';
import type { LoadContext, Workload } from '../../stand.ts';
import type { StreamBusLoad } from '../loadSchema.ts';
import { createTopics, runAdmin, runShortLived } from './admin.ts';
import { runConsumer } from './consumer.ts';
import { type LoadWorld, type Told, topicOf } from './context.ts';
import { runMember } from './member.ts';
import { runOffsetWatch } from './offsetWatch.ts';
import { passingPartitions, runPassing } from './passing.ts';
import { runProducer } from './producer.ts';
import { runTransactions } from './transactions.ts';

/** A running workload, and what the end of the run needs of it. */
export interface StreamBusWorkload extends Workload {
  readonly world: LoadWorld;
  /** A machine from which the end of the run is looked at. */
  readonly observer: Host;
}

/**
 * Starts the clients of a load, over its client machines in turn. The number of topics, groups and of each kind of client may grow later;
 * what was there and is not asked for any more rests.
 */
export function startWorkload(
  context: LoadContext,
  seeds: readonly Address[],
  told: Told,
  now: () => number,
): StreamBusWorkload {
  const initial = context.load as StreamBusLoad; // parsed by `streamBusLoadSchema`
  let load = initial;
  let stopped = false;
  let processes = 0;
  const factors = new Set<{ readonly factor: number }>();
  const [observer] = context.clients;
  if (observer === undefined) throw new Error('a load of streambus has one client machine at least');

  const plainKeys = keysOf(initial, 't');
  const shortLivedKeys = initial['short-lived'] === undefined ? [] : ['short-lived/0'];
  const passingKeys = initial.passing === undefined ? [] : passingPartitions;
  const transactionalKeys = Array.from(
    { length: Math.max(2, initial.partitions) },
    (_, partition) => `tx/${partition}`,
  );
  const world: LoadWorld = {
    load: () => load,
    isStopped: () => stopped,
    factor: () => [...factors].reduce((product, { factor }) => product * factor, 1),
    history: context.history,
    told,
    now,
    nextProcess: () => processes++,
    seeds,
    plainKeys,
    shortLivedKeys,
    passingKeys,
    transactionalKeys,
    topicsLeft: new Set([...plainKeys, ...transactionalKeys, ...shortLivedKeys].map(topicOf)),
  };

  const running: Promise<void>[] = [];
  const begun = { producers: 0, transactional: 0, consumers: 0, groups: new Map<string, number>() };
  const ready = createTopics(world, observer);
  const client = (index: number): Host => context.clients[index % context.clients.length] ?? observer;
  const begin = (run: () => Promise<void>): void => void running.push(ready.then(run));

  function grow(): void {
    for (; begun.producers < load.producers; begun.producers++) {
      const index = begun.producers;
      begin(() => runProducer(world, client(index), index));
    }
    for (; begun.transactional < load.transactional; begun.transactional++) {
      const index = begun.transactional;
      begin(() => runTransactions(world, client(index), index));
    }
    for (; begun.consumers < load.consumers; begun.consumers++) {
      const index = begun.consumers;
      begin(() => runConsumer(world, client(index + 1), index));
    }
    for (let number = 0; number < load.groups; number++) {
      const group = `group-${number}`;
      for (let index = begun.groups.get(group) ?? 0; index < load.members; index++) {
        begin(() => runMember(world, client(index), group, index));
        begun.groups.set(group, index + 1);
      }
    }
  }
  grow();
  begin(() => runAdmin(world, observer));
  if (initial['watch offsets'] !== undefined) begin(() => runOffsetWatch(world, observer));
  if (world.shortLivedKeys.length > 0) begin(() => runShortLived(world, observer));
  if (world.passingKeys.length > 0) begin(() => runPassing(world, observer));

  return {
    world,
    observer,
    change(next) {
      load = next as StreamBusLoad; // parsed by `streamBusLoadSchema`
      grow();
    },
    scale(factor) {
      const entry = { factor };
      factors.add(entry);
      return () => void factors.delete(entry);
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

function keysOf({ topics, partitions }: StreamBusLoad, prefix: string): string[] {
  return Array.from({ length: topics }, (_, topic) =>
    Array.from({ length: partitions }, (_, partition) => `${prefix}${topic}/${partition}`),
  ).flat();
}
