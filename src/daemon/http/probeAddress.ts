import { createServer } from 'node:net';
import { listenFailed, type PreparedSettings } from './settings.ts';

/**
 * Listens for a moment and stops: an address that is taken is found before anything is made for a server that cannot be.
 *
 * @throws EngineError as `listenFailed` makes it
 */
export async function probeAddress(settings: Pick<PreparedSettings, 'host' | 'port' | 'listenFailure'>): Promise<void> {
  const { host, port } = settings;
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenFailed(settings, error)));
    server.listen({ host, port }, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}
