import { AdminRefusal, type AdminRoute, ok } from './answer.ts';
import type { AdminContext } from './context.ts';

/** GET /admin/jobs and one of them. */
export function jobRoutes({ jobs }: AdminContext): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/admin/jobs/{id}',
      summary: 'How a job is doing.',
      role: 'read',
      handler: async (request) => {
        const job = jobs.get(request.parameters.id ?? '');
        if (job !== undefined) return ok(job);
        throw new AdminRefusal(
          404,
          'UNKNOWN_JOB',
          `there is no job ${request.parameters.id}`,
          'only the last ones are kept',
        );
      },
    },
  ];
}
