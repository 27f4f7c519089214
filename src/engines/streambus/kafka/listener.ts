import type { Address } from '../../../host/network.ts';
import type { BrokerServices } from '../services.ts';
import type { DoorHooks } from './hooks.ts';
import type { SlowLog } from './slowLog.ts';

/** Kafka's door of a broker. */
export interface KafkaListener {
  /** Where it listens, with the port that was bound. */
  readonly address: Address;
  /** Connections that are open now. */
  readonly connections: number;
  readonly slowLog: SlowLog;
  /**
   * Drains: stops accepting and reading, ends long polls, waits for the requests that were begun (at most 10 s), answers them
   * and closes the connections.
   */
  close(): Promise<void>;
}

/** Opens the door at `server.host`:`server.port` of the configuration. Rejects with `NetworkError` (EADDRINUSE, EACCES). */
export async function openKafkaListener(services: BrokerServices, hooks: DoorHooks): Promise<KafkaListener> {
  throw new Error(`not yet: ${services.broker} ${typeof hooks}`);
}
