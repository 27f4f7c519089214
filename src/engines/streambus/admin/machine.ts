import { isoTime } from '../../isoTime.ts';
import { type AdminRoute, ok } from './answer.ts';
import type { AdminContext } from './context.ts';

/** GET /admin/host: figures of the machine and the process, as the broker knows them. */
export function machineRoutes(context: AdminContext): readonly AdminRoute[] {
  const { host, broker } = context.services;
  const startedAt = host.clock.now();
  const startedWall = host.clock.wall();
  return [
    {
      method: 'GET',
      path: '/admin/host',
      summary: 'Figures of the machine and the process.',
      role: 'read',
      handler: async () => {
        const disk = context.disk();
        const { usedBytes, countedBytes, limitBytes, heapLimitBytes } = context.memory();
        return ok({
          broker_id: broker,
          name: host.name,
          pid: host.pid,
          started: isoTime(startedWall),
          uptime_s: Math.floor((host.clock.now() - startedAt) / 1_000),
          starts: host.incarnation,
          wall_time: isoTime(host.clock.wall()),
          disk: disk === undefined ? null : { free_bytes: disk.freeBytes, total_bytes: disk.totalBytes },
          memory: {
            used_bytes: usedBytes,
            counted_bytes: countedBytes,
            limit_bytes: limitBytes,
            ...(heapLimitBytes === undefined ? {} : { heap_limit_bytes: heapLimitBytes }),
          },
          connections: context.connections(),
          groups: [...context.runtime.all].length,
          tasks: context.tasks().length,
        });
      },
    },
  ];
}
