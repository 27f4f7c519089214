import { z } from 'zod';
import { bytes, durationMs, percent } from '../../../faults/units.ts';

/** `500/s`, or a number: operations a second. */
const ratePerSecond = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const rate = typeof value === 'number' ? value : Number(/^(\d+(?:\.\d+)?) ?\/ ?s$/.exec(value)?.[1] ?? Number.NaN);
    if (!(rate > 0) || rate > 100_000) {
      context.addIssue(`expected requests a second such as 500/s, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return rate;
  })
  .describe('requests a second, such as 500/s');

/** The workload of streambus, as `load:` has it. */
export const streamBusLoadSchema = z
  .strictObject({
    producers: z.int().min(0).max(200).default(4).describe('clients that send, one batch at a time each'),
    rate: ratePerSecond
      .optional()
      .describe('batches of all producers together; without it each sends again as soon as it was answered'),
    think: durationMs.default(0).describe('pause of a producer after each answer, without `rate`'),
    idempotent: percent
      .default(50)
      .describe('share of the producers that are idempotent: they send again until they know'),
    'acks one': percent.default(10).describe('share of the other producers that ask for acks=1'),
    batch: z.int().min(1).max(1_000).default(1).describe('largest number of records in a batch'),
    text: bytes.default(64).describe('bytes of a record'),
    transactional: z
      .int()
      .min(0)
      .max(50)
      .default(1)
      .describe('producers that send in transactions, over several partitions'),
    'transaction every': durationMs.default(500).describe('pause between two transactions of one producer'),
    'transaction thinks': durationMs
      .default(0)
      .describe('pause within a transaction, after each batch: so long it stays open'),
    aborts: percent.default(20).describe('share of the transactions that are aborted'),
    'old transactions': percent
      .default(50)
      .describe('share of the transactional producers that speak the older protocol'),
    consumers: z
      .int()
      .min(0)
      .max(50)
      .default(2)
      .describe('consumers that choose their partitions, and read all of them'),
    groups: z.int().min(0).max(10).default(1).describe('consumer groups'),
    members: z.int().min(1).max(20).default(2).describe('members of each group'),
    session: durationMs.default(6_000).describe('session time-out of the members'),
    'poll every': durationMs.default(200).describe('pause of a consumer after each answer'),
    'commit every': durationMs.default(1_000).describe('how often members of groups commit'),
    churn: durationMs.optional().describe('how often a member leaves its group and comes back; never when absent'),
    topics: z.int().min(1).max(20).default(2).describe('topics; transactions have one of their own beside them'),
    partitions: z.int().min(1).max(100).default(2).describe('partitions of each topic'),
    replication: z.int().min(1).max(7).default(3).describe('replicas of each partition, as far as there are brokers'),
    vanish: percent
      .default(0)
      .describe('share of the members that go without a word when the load ends: their sessions have to run out'),
    'watch offsets': durationMs
      .optional()
      .describe("how often somebody asks one broker or another for a group's offsets; never when absent"),
    'short-lived': durationMs
      .optional()
      .describe(
        'how long records of a topic of their own are kept, which a producer writes to; without it there is none',
      ),
    passing: durationMs
      .optional()
      .describe(
        'how long a topic of its own is there, which is deleted under full load and made again; without it there is none',
      ),
    timeout: durationMs.default(10_000).describe('patience of a client with one request'),
    admin: durationMs
      .optional()
      .describe('how often somebody asks about topics, groups and configurations; never when absent'),
    clients: z.int().min(1).max(16).default(2).describe('client machines'),
  })
  .describe('what the clients of streambus do');

export type StreamBusLoad = z.output<typeof streamBusLoadSchema>;
