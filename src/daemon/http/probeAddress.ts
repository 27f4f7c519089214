import { createServer } from 'node:net';
import { listenFailed, type PreparedSettings } from './settings.ts';

/**
 * Listens for a moment and stops: an address that is taken is found before anything is made for a server that cannot be.
 *
 * @throws EngineError with exit code 74
 */
export async function probeAddress({ host, port }: Pick<PreparedSettings, 'host' | 'port'>): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenFailed({ host, port }, error)));
    server.listen({ host, port }, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}
