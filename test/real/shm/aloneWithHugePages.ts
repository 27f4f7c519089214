import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** An abstract socket: one process of the machine has it at a time, and its end gives it back. */
const address = '\0hotfire-test-huge-pages';
const retryMs = 20;

/**
 * Runs `body` while no other test of this machine mounts a hugetlbfs or changes how many huge pages there are: who makes memory takes the mounts and the pages
 * that it finds, also those of a test beside it.
 */
export async function aloneWithHugePages(body: () => Promise<void>): Promise<void> {
  let held = await hold();
  while (held === undefined) {
    await sleep(retryMs);
    held = await hold();
  }
  try {
    await body();
  } finally {
    held.close();
  }
}

/** Undefined where another one has it. */
function hold(): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server));
  });
}
