import {
  createClient as createClientOn,
  type StreamBusClient,
} from '../../../../src/engines/streambus/client/client.ts';
import { createRealHost } from '../../../../src/real/host.ts';

export type { StreamBusClient } from '../../../../src/engines/streambus/client/client.ts';
export type { ConsumedRecord } from '../../../../src/engines/streambus/client/consumer.ts';

/** Our client, over real connections. */
export function createClient(bootstrap: readonly string[]): StreamBusClient {
  const host = createRealHost({ name: '127.0.0.1', telemetry: { options: { level: 'error' } } });
  return createClientOn(host, {
    bootstrap: bootstrap.map((text) => {
      const [name = '', port] = text.split(':');
      return { host: name, port: Number(port) };
    }),
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 5_000,
  });
}
