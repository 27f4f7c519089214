import { z } from 'zod';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const bytes = (low: number, high: number) => z.int().min(low).max(high);
const path = z
  .string()
  .regex(/^\/[^\0]*$/, 'expected an absolute path')
  .transform((value) => (value.length > 1 ? value.replace(/\/+$/, '') : value));
const requestsPerSecond = z.int().min(1).max(1_000_000).optional();

/** Hosts on which neither TLS nor tokens are asked for. */
const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+$/;

/** `host:port`, IPv6 in brackets, with a port that there is. */
function isAddress(bind: string): boolean {
  const parts = /^(?:\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(bind);
  return parts !== null && Number(parts[1]) <= 65_535;
}

const server = z.strictObject({
  bind: z
    .string()
    .refine(isAddress, {
      error: ({ input }) => `expected host:port, port 0..65535, an IPv6 host in brackets, got ${JSON.stringify(input)}`,
    })
    .default('127.0.0.1:18180')
    .describe('where HTTP is served, host:port'),
  request_timeout_ms: z.int().min(100).max(600_000).default(30_000).describe('a write not answered by then gets 504'),
  max_body_bytes: bytes(1 * KIB, 16 * MIB)
    .default(1 * MIB)
    .describe('largest body of a request other than a batch'),
  tls: z.strictObject({ cert: path, key: path, client_ca: path.optional() }).optional(),
  tokens_file: path.optional(),
});

const wal = z.strictObject({
  dir: path.default('/var/lib/stemedb/wal'),
  witness_dir: path.optional().describe('default: <store.dir>/witness'),
  group_commit_max_wait_ms: z.number().min(0).max(1_000).default(10),
  group_commit_max_bytes: bytes(4 * KIB, 16 * MIB).default(1 * MIB),
  segment_bytes: bytes(256 * KIB, 1 * GIB)
    .multipleOf(4096)
    .default(64 * MIB),
  max_bytes: bytes(2 * MIB, 1024 * GIB).default(8 * GIB),
  reserve_bytes: bytes(0, 64 * GIB)
    .optional()
    .describe('default: two segments'),
  max_pending_bytes: bytes(1 * MIB, 1 * GIB).default(64 * MIB),
  max_record_bytes: bytes(1 * KIB, 16 * MIB).default(1 * MIB),
  strict_tail: z.boolean().default(false),
  on_sync_failure: z.enum(['hold', 'exit']).default('hold'),
  slow_fsync_ms: z.number().min(0).max(600_000).default(100),
});

const store = z.strictObject({
  dir: path.default('/var/lib/stemedb/db'),
  create: z.enum(['if-missing', 'never']).default('if-missing'),
  cache_bytes: bytes(0, 64 * GIB).default(64 * MIB),
});

const index = z.strictObject({
  max_bytes: bytes(1 * MIB, 64 * GIB).default(4 * GIB),
  snapshot_bytes: bytes(64 * KIB, 16 * GIB)
    .default(256 * MIB)
    .describe('log between two parts of the index'),
});

const assert = z.strictObject({
  signatures: z.enum(['if_present', 'require', 'off']).default('if_present'),
  clock_skew_ms: z.int().min(0).max(31_536_000_000).default(300_000),
});

const rateLimit = z.strictObject({
  max_writes_per_sec: z.int().min(1).max(1_000_000).optional().describe('records a second; none when absent'),
  endpoints: z
    .strictObject({
      assert: requestsPerSecond,
      batch: requestsPerSecond,
      vote: requestsPerSecond,
      epoch: requestsPerSecond,
      query: requestsPerSecond,
      admin: requestsPerSecond,
    })
    .prefault({}),
});

const background = z.strictObject({ bytes_per_sec: bytes(1 * MIB, 64 * GIB).default(64 * MIB) });

const drain = z.strictObject({
  lame_duck_ms: z.int().min(0).max(600_000).default(5_000),
  timeout_ms: z.int().min(100).max(3_600_000).default(60_000),
});

/** The configuration of a store, as its file has it. `parse({})` gives every default; unknown keys are errors. */
export const stemeConfigSchema = z
  .strictObject({
    server: server.prefault({}),
    wal: wal.prefault({}),
    store: store.prefault({}),
    index: index.prefault({}),
    assert: assert.prefault({}),
    rate_limit: rateLimit.prefault({}),
    background: background.prefault({}),
    drain: drain.prefault({}),
  })
  .superRefine((config, context) => {
    if (config.wal.segment_bytes < 4 * config.wal.max_record_bytes) {
      context.addIssue({
        code: 'custom',
        path: ['wal', 'segment_bytes'],
        message:
          `expected at least 4 × wal.max_record_bytes = ${4 * config.wal.max_record_bytes}, ` +
          `got ${config.wal.segment_bytes}: make segments larger or records smaller`,
      });
    }
    if (config.wal.max_pending_bytes < 2 * config.wal.max_record_bytes) {
      context.addIssue({
        code: 'custom',
        path: ['wal', 'max_pending_bytes'],
        message:
          `expected at least 2 × wal.max_record_bytes = ${2 * config.wal.max_record_bytes}, ` +
          `got ${config.wal.max_pending_bytes}: the largest record would never be taken`,
      });
    }
    if (config.wal.max_bytes < 2 * config.wal.segment_bytes) {
      context.addIssue({
        code: 'custom',
        path: ['wal', 'max_bytes'],
        message: `expected at least 2 × wal.segment_bytes = ${2 * config.wal.segment_bytes}, got ${config.wal.max_bytes}`,
      });
    }
    for (const [section, key, directory] of [
      ['store', 'dir', config.store.dir],
      ['wal', 'witness_dir', config.wal.witness_dir],
    ] as const) {
      if (directory !== config.wal.dir) continue;
      context.addIssue({
        code: 'custom',
        path: [section, key],
        message: `expected another directory than wal.dir, got ${JSON.stringify(directory)}: nothing but the log may lie there`,
      });
    }
    if (
      isAddress(config.server.bind) &&
      !LOOPBACK.test(config.server.bind) &&
      (config.server.tls === undefined || config.server.tokens_file === undefined)
    ) {
      context.addIssue({
        code: 'custom',
        path: ['server', 'bind'],
        message: `${config.server.bind} is beyond loopback: server.tls and server.tokens_file are needed there`,
      });
    }
  });

export type StemeConfig = z.infer<typeof stemeConfigSchema>;

/** Keys that take effect while the store runs; every other change needs a restart. */
export const RELOADABLE_KEYS: ReadonlySet<string> = new Set([
  'server.request_timeout_ms',
  'wal.group_commit_max_wait_ms',
  'wal.group_commit_max_bytes',
  'wal.slow_fsync_ms',
  'assert.clock_skew_ms',
  'rate_limit.max_writes_per_sec',
  'rate_limit.endpoints.assert',
  'rate_limit.endpoints.batch',
  'rate_limit.endpoints.vote',
  'rate_limit.endpoints.epoch',
  'rate_limit.endpoints.query',
  'rate_limit.endpoints.admin',
  'background.bytes_per_sec',
  'drain.lame_duck_ms',
  'drain.timeout_ms',
]);

/** The configuration with those keys of `next` that can change while running. */
export function reloaded(config: StemeConfig, next: StemeConfig): StemeConfig {
  return {
    ...config,
    server: { ...config.server, request_timeout_ms: next.server.request_timeout_ms },
    wal: {
      ...config.wal,
      group_commit_max_wait_ms: next.wal.group_commit_max_wait_ms,
      group_commit_max_bytes: next.wal.group_commit_max_bytes,
      slow_fsync_ms: next.wal.slow_fsync_ms,
    },
    assert: { ...config.assert, clock_skew_ms: next.assert.clock_skew_ms },
    rate_limit: next.rate_limit,
    background: next.background,
    drain: next.drain,
  };
}

/** Where the witness's ring lives. */
export function witnessDirectory(config: StemeConfig): string {
  return config.wal.witness_dir ?? `${config.store.dir}/witness`;
}
