import { z } from 'zod';
import { AdminRefusal, type AdminRoute, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { dumpTasks, groupTasks } from './goroutines.ts';
import { encodeProfile, sampleProfile } from './pprofFormat.ts';

const seconds = z.coerce.number().int().min(1).max(300).default(30);
const cpuQuery = z.strictObject({ seconds, format: z.enum(['pprof', 'cpuprofile']).default('pprof') });
const heapQuery = z.strictObject({ format: z.enum(['pprof', 'heapprofile']).default('pprof') });
const taskQuery = z.strictObject({ debug: z.coerce.number().int().min(0).max(2).default(2) });

/** Profiles in the form of Go's net/http/pprof. */
export function pprofRoutes(context: AdminContext): readonly AdminRoute[] {
  const { config, host } = context.services;
  let running: string | undefined;

  const profiler = () => {
    const found = host.telemetry.profiler;
    if (found === undefined) {
      throw new AdminRefusal(501, 'NO_PROFILER', 'this host has no profiler', 'ask a broker that runs in production');
    }
    return found;
  };
  /** One at a time: two would measure each other. */
  async function alone<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (running !== undefined) throw new AdminRefusal(409, 'PROFILE_RUNNING', `a ${running} profile is being taken`);
    running = what;
    try {
      return await work();
    } finally {
      running = undefined;
    }
  }
  const file = (bytes: Uint8Array, name: string, type: string) => ({
    status: 200,
    headers: { 'content-type': type, 'content-disposition': `attachment; filename="${name}"` },
    body: bytes,
  });
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

  const routes: AdminRoute[] = [
    {
      method: 'GET',
      path: '/debug/pprof/profile',
      summary: 'Where the CPU time of the next seconds goes.',
      schema: { query: cpuQuery },
      handler: async (request) => {
        const query = queryOf(request, cpuQuery);
        const found = profiler();
        return alone('CPU', async () => {
          const profile = await found.cpu(query.seconds * 1_000, request.signal);
          if (query.format === 'cpuprofile') return file(json(profile), 'cpu.cpuprofile', 'application/json');
          const encoded = await found.gzip(encodeProfile(sampleProfile.cpu(profile, host.clock.wall())));
          return file(encoded, 'cpu.pb.gz', 'application/octet-stream');
        });
      },
    },
    {
      method: 'GET',
      path: '/debug/pprof/heap',
      summary: 'What the live heap was allocated by.',
      schema: { query: heapQuery },
      handler: async (request) => {
        const query = queryOf(request, heapQuery);
        const found = profiler();
        return alone('heap', async () => {
          const profile = await found.heap();
          if (query.format === 'heapprofile') return file(json(profile), 'heap.heapprofile', 'application/json');
          const encoded = await found.gzip(encodeProfile(sampleProfile.heap(profile, host.clock.wall())));
          return file(encoded, 'heap.pb.gz', 'application/octet-stream');
        });
      },
    },
    {
      method: 'GET',
      path: '/debug/pprof/goroutine',
      summary: 'What is under way: a block a task, or with ?debug=1 like ones together.',
      schema: { query: taskQuery },
      handler: async (request) => {
        const { debug } = queryOf(request, taskQuery);
        const tasks = context.tasks();
        return {
          status: 200,
          headers: { 'content-type': 'text/plain; charset=utf-8' },
          body: debug === 2 ? dumpTasks(tasks) : groupTasks(tasks),
        };
      },
    },
  ];
  return config.debug.pprof ? routes : [];
}
