import type { Registry } from 'prom-client';
import { metricsRoute } from '../../metricsRoute.ts';
import type { RouteResponse } from '../../route.ts';
import type { HttpContext, PlainRoute } from './request.ts';

/** GET /metrics, /health, /health/live, /health/ready. They touch no disk, so they answer while it hangs. */
export function healthRoutes({ db }: HttpContext, registry: Registry): PlainRoute[] {
  /** Why the node should get no traffic; empty when it should. */
  function obstacles(): string[] {
    const found: string[] = [];
    const { state } = db.node();
    if (state !== 'serving') found.push(`the node is ${state}`);
    if (db.journal.state !== 'open') found.push(`the log is ${db.journal.state}: ${db.wal().why}`);
    return found;
  }

  function overview(): RouteResponse {
    // Other records are served as before, so damage is no reason to take the node out of service.
    const reasons = [...obstacles(), ...db.damage()];
    const { readOnlyReasons } = db.wal();
    return {
      status: 200,
      body: {
        status: reasons.length === 0 ? 'ok' : 'degraded',
        reasons,
        node: db.node().state,
        wal: db.journal.state,
        ...(readOnlyReasons.length === 0 ? {} : { read_only: readOnlyReasons }),
        durable_lsn: db.journal.durableLsn,
        index_rows: db.indexRows(),
      },
    };
  }

  return [
    metricsRoute(registry),
    {
      method: 'GET',
      path: '/health',
      summary: 'How the node is, in few words.',
      role: 'none',
      handler: async () => overview(),
    },
    {
      method: 'GET',
      path: '/health/live',
      summary: '200 while the process answers.',
      role: 'none',
      handler: async () => ({ status: 200, body: { status: 'live' } }),
    },
    {
      method: 'GET',
      path: '/health/ready',
      summary: '200 only if the node takes reads and writes.',
      role: 'none',
      handler: async () => {
        const reasons = obstacles();
        return reasons.length === 0
          ? { status: 200, body: { status: 'ready' } }
          : { status: 503, body: { status: 'not_ready', reasons } };
      },
    },
  ];
}
