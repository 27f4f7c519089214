import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/engines/streambus/metrics.ts';
import { journalWorld } from '../../support/journalWorld.ts';

test('a connection that is closed for a stale transaction is counted with the others, and by itself', async () => {
  const { run } = journalWorld({ seed: 1 });
  const text = await run((host) => {
    const metrics = createMetrics(host);
    metrics.refused('stale-transaction');
    metrics.refused('idle');
    return host.telemetry.registry.metrics();
  });
  expect(text).toContain('streambus_connections_closed_total{reason="stale-transaction"} 1');
  expect(text).toContain('streambus_connections_closed_total{reason="idle"} 1');
  expect(text).toContain('streambus_stale_txn_requests_total 1');
});
