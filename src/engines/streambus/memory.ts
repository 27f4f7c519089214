import type { Host } from '../../host/host.ts';
import type { StreamBusConfig } from './config.ts';

const MB = 1024 * 1024;
const GB = 1024 * MB;
/** Half of what the process may use, within these; the other half is for what is not counted. */
const shareOfProcess = 0.5;
const leastBytes = 64 * MB;
const mostBytes = 8 * GB;
/** Where the host does not know what the process may use. */
const unknownBytes = 1 * GB;

/**
 * Bytes that the broker shares out among its caches and queues: `server.max_memory`, or else half of what the process may use (the limit
 * of its cgroup, or the machine's memory), 64 MB to 8 GB.
 */
export function memoryBudget({ memoryBytes }: Pick<Host, 'memoryBytes'>, { server }: StreamBusConfig): number {
  if (server.max_memory !== undefined) return server.max_memory;
  if (memoryBytes === undefined) return unknownBytes;
  return Math.min(mostBytes, Math.max(leastBytes, Math.floor(memoryBytes * shareOfProcess)));
}
