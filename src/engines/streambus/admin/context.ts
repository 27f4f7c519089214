import type { Millis } from '../../../host/clock.ts';
import type { GroupsRuntime } from '../broker/runtime.ts';
import type { SlowQuery } from '../kafka/slowLog.ts';
import type { Partition } from '../log/partition.ts';
import type { MemoryReading } from '../memory.ts';
import type { StreamBusMetrics } from '../metrics.ts';
import type { BrokerServices } from '../services.ts';
import type { Jobs } from './jobs.ts';

/** Something under way in the broker, as GET /debug/pprof/goroutine lists it. */
export interface TaskView {
  /** What it waits for or does: `journal.append`. */
  readonly state: string;
  /** For how long, in milliseconds; undefined: not measured. */
  readonly forMs: Millis | undefined;
  /** `produce orders/3 client=app-1`. */
  readonly what: string;
  /** Place in the code: `log/partition.append`. */
  readonly where: string;
  /** Who began it: `kafka/connection 17`. */
  readonly by: string;
}

/** Space of the data directory's volume. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the administration works with. */
export interface AdminContext {
  readonly services: BrokerServices;
  readonly runtime: GroupsRuntime;
  readonly metrics: StreamBusMetrics;
  readonly jobs: Jobs;
  /** Newest first; empty until the Kafka listener is open. */
  readonly slowQueries: () => readonly SlowQuery[];
  /** The partition whose group this is, if it has a replica here. */
  readonly partition: (group: number) => Partition | undefined;
  /** Why no writes are taken by an operator's wish at this broker; undefined: they are. Leaders have moved when it resolves. */
  readonly setReadOnly: (reason: string | undefined) => Promise<void>;
  /** Why this broker by itself takes no writes: an operator's wish, its disk. */
  readonly ownReadOnly: () => readonly { readonly by: 'broker' | 'disk'; readonly reason: string }[];
  /** The broker is being stopped. */
  readonly isDraining: () => boolean;
  /** The Kafka listener takes connections. */
  readonly isListening: () => boolean;
  /** Why the start does not get on, and what can be done; undefined: it does, or is over. */
  readonly waitsFor: () => string | undefined;
  /** As last asked for; undefined: not yet. */
  readonly disk: () => DiskSpace | undefined;
  /** Connections of clients. */
  readonly connections: () => number;
  /** Memory as the broker counts it. */
  readonly memory: () => MemoryReading;
  readonly tasks: () => readonly TaskView[];
}
