import { z } from 'zod';
import type { JournalStatus } from '../../../storage/journal/index.ts';
import { RATE_RANGE, type RateLimitStatus } from '../admission.ts';
import { BACKGROUND_TASKS } from '../backgroundTasks.ts';
import { StemeError } from '../errors.ts';
import type { Jobs } from '../jobs.ts';
import { parseInput } from '../model.ts';
import { type HttpContext, type PlainRoute, parseJson } from './request.ts';

const EXPECTED_RATE = `expected a whole number from ${RATE_RANGE.low} to ${RATE_RANGE.high}, or null for no limit`;
const EXPECTED_DURATION = 'expected a duration from 1s to 365d such as "30m"';
const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const YEAR_MS = 365 * UNITS_MS.d;

const rateLimitSchema = z.strictObject({
  max_writes_per_sec: z
    .number(EXPECTED_RATE)
    .int(EXPECTED_RATE)
    .min(RATE_RANGE.low, EXPECTED_RATE)
    .max(RATE_RANGE.high, EXPECTED_RATE)
    .nullable(),
  duration: z
    .string(EXPECTED_DURATION)
    .transform(durationMs)
    .refine((ms) => ms >= 1_000 && ms <= YEAR_MS, EXPECTED_DURATION)
    .optional(),
});

const backgroundSchema = z.strictObject({
  paused: z.boolean('expected true or false'),
  only: z.array(z.enum(BACKGROUND_TASKS, `expected some of ${BACKGROUND_TASKS.join(', ')}`)).optional(),
});

/** Bodies of admin routes are small. */
const MAX_BYTES = 64 * 1024;

/** The routes under /v1/admin. Their bodies are JSON whatever content type they claim: curl -d claims a form. */
export function adminRoutes({ db }: HttpContext, jobs: Jobs): PlainRoute[] {
  const admin = (route: Omit<PlainRoute, 'role' | 'endpoint'>): PlainRoute => ({
    ...route,
    role: 'admin',
    endpoint: 'admin',
  });

  return [
    admin({
      method: 'POST',
      path: '/v1/admin/node/drain',
      summary: 'Takes the node out of service: 202, or 200 if that is under way.',
      handler: async () => {
        const begins = db.node().state === 'serving';
        // The report is for those who wait for it; here the state is asked for.
        if (begins) void db.drain();
        return { status: begins ? 202 : 200, body: db.node() };
      },
    }),
    admin({
      method: 'DELETE',
      path: '/v1/admin/node/drain',
      summary: 'Cancels a drain.',
      handler: async () => {
        db.undrain();
        return { status: 200, body: db.node() };
      },
    }),
    admin({
      method: 'GET',
      path: '/v1/admin/node',
      summary: 'State of the node and the steps of its drain.',
      handler: async () => ({ status: 200, body: db.node() }),
    }),
    admin({
      method: 'POST',
      path: '/v1/admin/rate-limit',
      summary: 'Limits the records written a second, until a restart or for a while.',
      schema: { body: rateLimitSchema },
      handler: async (request) => {
        const limit = parseInput(rateLimitSchema, parseJson(request.body, MAX_BYTES));
        const { max_writes_per_sec: maxWritesPerSec, duration } = limit;
        db.limit(duration === undefined ? { maxWritesPerSec } : { maxWritesPerSec, durationMs: duration });
        return { status: 200, body: rateLimitBody(db.rateLimit()) };
      },
    }),
    admin({
      method: 'GET',
      path: '/v1/admin/rate-limit',
      summary: 'The limit in force.',
      handler: async () => ({ status: 200, body: rateLimitBody(db.rateLimit()) }),
    }),
    admin({
      method: 'DELETE',
      path: '/v1/admin/rate-limit',
      summary: 'Back to the limit of the configuration.',
      handler: async () => {
        db.limit(undefined);
        return { status: 200, body: rateLimitBody(db.rateLimit()) };
      },
    }),
    admin({
      method: 'POST',
      path: '/v1/admin/background',
      summary: 'Pauses or resumes background work.',
      schema: { body: backgroundSchema },
      handler: async (request) => {
        db.pause(parseInput(backgroundSchema, parseJson(request.body, MAX_BYTES)));
        return { status: 200, body: { paused: db.pausedTasks() } };
      },
    }),
    admin({
      method: 'POST',
      path: '/v1/admin/checkpoint',
      summary: 'Writes the index to disk now.',
      handler: async () => ({
        status: 202,
        body: { job: jobs.start('checkpoint', async () => ({ lsn: await db.checkpoint() })) },
      }),
    }),
    admin({
      method: 'POST',
      path: '/v1/admin/scrub',
      summary: 'Reads the log from the disk and checks every byte of it.',
      handler: async () => ({ status: 202, body: { job: jobs.start('scrub', () => db.scrub()) } }),
    }),
    admin({
      method: 'GET',
      path: '/v1/admin/jobs/{job}',
      summary: 'How a job is doing.',
      handler: async (request) => {
        const job = jobs.get(request.parameters.job ?? '');
        if (job === undefined)
          throw new StemeError('NOT_FOUND', `no job ${request.parameters.job}: only the last jobs are kept`);
        return { status: 200, body: job };
      },
    }),
    admin({
      method: 'GET',
      path: '/v1/admin/wal',
      summary: 'The log: state, LSNs, segments, what group commit does, the last recovery.',
      handler: async () => ({ status: 200, body: { ...walBody(db.wal()), segment_files: db.journal.segments() } }),
    }),
  ];
}

/** Milliseconds of a duration; NaN when it is none. */
function durationMs(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2] as keyof typeof UNITS_MS | undefined; // the pattern allows no other
  return match === null || unit === undefined ? Number.NaN : Number(match[1]) * UNITS_MS[unit];
}

function rateLimitBody(status: RateLimitStatus) {
  return {
    max_writes_per_sec: status.maxWritesPerSec,
    configured: status.configured,
    ...(status.expiresInMs === undefined ? {} : { expires_in_ms: Math.ceil(status.expiresInMs) }),
    persistent: false,
  };
}

function walBody(status: JournalStatus) {
  return {
    journal_id: status.id,
    state: status.state,
    why: status.why,
    read_only: status.readOnlyReasons,
    first_lsn: status.firstLsn,
    next_lsn: status.nextLsn,
    durable_lsn: status.durableLsn,
    witness_lsn: status.witnessLsn,
    average_write_ms: status.averageWriteMs,
    expected_appends: status.expectedAppends,
    back_off: status.backOff,
    max_wait_ms: status.maxWaitMs,
    max_batch_bytes: status.maxBatchBytes,
    pending_bytes: status.pendingBytes,
    pending_records: status.pendingRecords,
    inflight_ms: status.inflightMs,
    last_batch: status.lastBatch ?? null,
    segments: status.segments,
    disk_bytes: status.diskBytes,
    free_bytes: status.freeBytes ?? null,
    spare_ready: status.spareReady,
    recovery: status.recovery,
  };
}
