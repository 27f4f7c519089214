import type { Host } from '../../host/host.ts';
import type { StreamBusConfig } from './config.ts';

const MB = 1024 * 1024;
const GB = 1024 * MB;
/** Memory of a broker, in bytes. */
export interface MemoryReading {
  /** Of the whole process, as its host tells; without such a host as much as the broker counts. */
  readonly usedBytes: number;
  /** Batches that consumers read or that wait to be written, and the groups' logs: what the broker counts by itself. */
  readonly countedBytes: number;
  /** What `usedBytes` is measured against. */
  readonly limitBytes: number;
  /** What the heap may grow to; undefined where the host does not know. */
  readonly heapLimitBytes?: number;
}

/** Of a process whose broker has nothing to do: its code and Node's, which no limit makes smaller. */
const baseBytes = 128 * MB;
/** Half of what the process may use, within these; the other half is for what is not counted. */
const shareOfProcess = 0.5;
/** With less `MemoryHigh` (90 % of it) would fire for ever, whatever the broker did. */
const leastBytes = 192 * MB;
const mostBytes = 8 * GB;
/** Where the host does not know what the process may use. */
const unknownBytes = 1 * GB;

/**
 * Bytes that the broker shares out among its caches and queues: `server.max_memory`, or else half of what the process may use (the limit
 * of its cgroup, or the machine's memory), 192 MB to 8 GB.
 */
export function memoryBudget({ memoryBytes }: Pick<Host, 'memoryBytes'>, { server }: StreamBusConfig): number {
  if (server.max_memory !== undefined) return server.max_memory;
  if (memoryBytes === undefined) return unknownBytes;
  return Math.min(mostBytes, Math.max(leastBytes, Math.floor(memoryBytes * shareOfProcess)));
}

/** What an operator should hear at the start about too little memory; undefined when there is enough. */
export function memoryWarning(host: Pick<Host, 'memoryBytes'>, config: StreamBusConfig): string | undefined {
  const budget = memoryBudget(host, config);
  const { memoryBytes = Number.POSITIVE_INFINITY } = host;
  const base = `a broker without work needs about ${baseBytes / MB} MB`;
  if (budget < leastBytes) {
    return `server.max_memory: expected at least ${leastBytes / MB}MB, got ${Math.floor(budget / MB)} MB: ${base}, so the alert MemoryHigh will fire for ever`;
  }
  if (budget <= memoryBytes) return undefined;
  return `the process may use ${Math.floor(memoryBytes / MB)} MB, expected at least ${Math.floor(budget / MB)} MB: ${base}, and the kernel may end it under load`;
}

/** Share of the budget for the heap: caches and requests are buffers outside of it, and are bounded by themselves. */
const heapShare = 0.6;
/** A broker's code, and the state of a small cluster, with room for what is garbage: with less it would do nothing but collect. */
const leastHeapBytes = 64 * MB;

/** Bytes that the heap of a broker's process may grow to. */
export function heapBudget(host: Pick<Host, 'memoryBytes'>, config: StreamBusConfig): number {
  return Math.max(leastHeapBytes, Math.floor(memoryBudget(host, config) * heapShare));
}

/** Reads the memory of a broker that counts `countedBytes` by itself. */
export function readMemory(
  host: Pick<Host, 'memory' | 'memoryBytes'>,
  config: StreamBusConfig,
  countedBytes: number,
): MemoryReading {
  const { memory } = host;
  return {
    usedBytes: memory?.usedBytes() ?? countedBytes,
    countedBytes,
    limitBytes: memoryBudget(host, config),
    ...(memory?.heapLimitBytes === undefined ? {} : { heapLimitBytes: memory.heapLimitBytes }),
  };
}
