import type { Host } from '../../../host/host.ts';
import { DropConnection } from '../kafka/dropConnection.ts';

/**
 * Which connection of a transactional id is the newest, by the kind of its requests: clients keep one connection to the coordinator
 * of transactions and another to that of the group.
 */
export interface ConnectionFence {
  /**
   * Throws `DropConnection` when the id has spoken on a connection that opened later: this request was under way while its client
   * had given it up, and would end, or change, a transaction that it was not meant for.
   */
  check(kind: 'transaction' | 'offsets', transactionalId: string, connection: number): void;
}

/** Ids that are remembered; beyond, the one that was not heard of for longest is forgotten. */
const capacity = 100_000;

/** A fence of one broker. */
export function createConnectionFence(host: Host): ConnectionFence {
  const newest = new Map<string, number>();

  return {
    check(kind, transactionalId, connection) {
      const key = `${kind}/${transactionalId}`;
      const known = newest.get(key) ?? connection;
      const isStale = connection < known && !host.telemetry.mutant('no-connection-fence');
      host.telemetry.sometimes('stale connection dropped', isStale);
      if (isStale) {
        throw new DropConnection(
          'stale-transaction',
          `transactional id ${transactionalId} came back on connection ${known}: what is late on ${connection} is dropped with it`,
        );
      }
      // Set anew, so that the map's order is that of the last use.
      newest.delete(key);
      newest.set(key, Math.max(known, connection));
      if (newest.size <= capacity) return;
      for (const oldest of newest.keys()) {
        newest.delete(oldest);
        break;
      }
    },
  };
}
