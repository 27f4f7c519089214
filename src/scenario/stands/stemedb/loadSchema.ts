import { z } from 'zod';
import { bytes, durationMs, percent } from '../../../faults/units.ts';

/** `500/s`, or a number: operations a second. */
const ratePerSecond = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const rate = typeof value === 'number' ? value : Number(/^(\d+(?:\.\d+)?) ?\/ ?s$/.exec(value)?.[1] ?? Number.NaN);
    if (!(rate > 0) || rate > 1_000_000) {
      context.addIssue(`expected operations a second such as 500/s, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return rate;
  })
  .describe('operations a second, such as 500/s');

/** The workload of stemedb, as `load:` has it. */
export const stemeLoadSchema = z
  .strictObject({
    writers: z.int().min(0).max(1_000).default(8).describe('clients that write, one request at a time each'),
    rate: ratePerSecond
      .optional()
      .describe('requests of all writers together; without it each writes again as soon as it was answered'),
    bursts: z
      .boolean()
      .default(false)
      .describe('with `rate`: all writers write at the same moment, instead of one after the other'),
    think: durationMs.default(0).describe('pause of a writer after each answer, without `rate`'),
    batch: z.int().min(1).max(1_000).default(1).describe('records of a batch request'),
    batches: percent
      .default(0)
      .describe('share of the writes that are batches of `batch` records; half of them atomic'),
    votes: percent.default(10).describe('share of the writes that are votes'),
    repeats: percent.default(2).describe('share of the writes that send an acknowledged content again'),
    twins: percent.default(2).describe('share of the writes that two clients send at once'),
    weights: percent.default(2).describe('share of the writes that set the weight of an agent'),
    readers: z.int().min(0).max(1_000).default(2).describe('clients that get and query'),
    'read every': durationMs.default(250).describe('pause of a reader after each answer'),
    subjects: z.int().min(1).max(100_000).default(40).describe('distinct subjects that claims are about'),
    text: bytes.default(40).describe('bytes of text in an object'),
    timeout: durationMs.optional().describe("patience of a client; default: the server's request time-out and 1 s"),
    resend: z
      .boolean()
      .default(true)
      .describe('a write that failed or is in doubt is sent again, until it is answered'),
    backoff: durationMs.default(200).describe('pause before a write is sent again'),
    clients: z.int().min(1).max(16).default(2).describe('client machines'),
  })
  .describe('what the clients of stemedb do: the numbers are those of each node');

export type StemeLoad = z.output<typeof stemeLoadSchema>;
