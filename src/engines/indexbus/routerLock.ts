import type { Host } from '../../host/host.ts';
import type { ProcessIdentity, Region } from '../../host/sharedMemory.ts';
import { Lock } from './layout.ts';
import { openLocks, type SegmentPlace, takeRouterLock } from './segment.ts';
import { readText, writeText } from './texts.ts';

/** Words of the page over which the locks of a name are taken: the router says there who it is. */
const Page = { pid: 0, startTicks: 1, pidSpace: 3, startedAt: 4, routerId: 16 } as const;
const routerIdBytes = 64;

/** Who has the router's lock, as it said itself. */
export interface RouterHolder extends ProcessIdentity {
  /** Wall time at which it took the lock. */
  readonly since: number;
  readonly routerId: string;
}

/** The router's lock of a segment's name. */
export interface RouterLock {
  readonly region: Region;
  /** Tries to take it. */
  take(): boolean;
  /** Who took it last. */
  holder(): RouterHolder;
  /** Whether another process has it now. */
  isHeld(): boolean;
  release(): void;
}

/** Opens the lock; whoever takes it alone builds and routes, until its process ends. */
export async function openRouterLock(host: Host, place: SegmentPlace, routerId: string): Promise<RouterLock> {
  const region = await openLocks(place);
  const { words, bytes } = region;
  const word = (at: number): number => (words[at] ?? 0) >>> 0;
  const holder = (): RouterHolder => ({
    pid: word(Page.pid),
    startTicks: word(Page.startTicks) + word(Page.startTicks + 1) * 2 ** 32,
    pidSpace: word(Page.pidSpace),
    since: word(Page.startedAt) + word(Page.startedAt + 1) * 2 ** 32,
    routerId: readText(bytes, Page.routerId, routerIdBytes),
  });
  return {
    region,
    holder,
    take() {
      if (!takeRouterLock(region)) return false;
      const { pid, startTicks, pidSpace } = host.shm.identity();
      const now = Math.floor(host.clock.wall());
      words[Page.pid] = pid;
      words[Page.startTicks] = startTicks | 0;
      words[Page.startTicks + 1] = Math.floor(startTicks / 2 ** 32);
      words[Page.pidSpace] = pidSpace | 0;
      words[Page.startedAt] = now | 0;
      words[Page.startedAt + 1] = Math.floor(now / 2 ** 32);
      writeText(bytes, Page.routerId, routerIdBytes, routerId);
      return true;
    },
    isHeld: () => region.evidence(Lock.router, holder()).lock === 'held',
    release() {
      region.unlock(Lock.router);
      region.close();
    },
  };
}
