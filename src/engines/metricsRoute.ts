import type { Registry } from 'prom-client';
import type { Route } from './route.ts';

/** `GET /metrics`, alike in every engine. It touches no disk, so it answers while one hangs. */
export function metricsRoute(registry: Registry) {
  return {
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format.',
    role: 'read',
    handler: async () => ({
      status: 200,
      headers: { 'content-type': registry.contentType },
      body: await registry.metrics(),
    }),
  } as const satisfies Route;
}
