import { z } from 'zod';
import { durationMs, percent } from '../../../faults/units.ts';
import { participantNames, segmentName } from './configuration.ts';

/** `500/s`, or a number: messages a second. */
const ratePerSecond = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const rate = typeof value === 'number' ? value : Number(/^(\d+(?:\.\d+)?) ?\/ ?s$/.exec(value)?.[1] ?? Number.NaN);
    if (!(rate >= 0) || rate > 1_000_000) {
      context.addIssue(`expected messages a second such as 500/s, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return rate;
  })
  .describe('messages a second, such as 500/s');

const name = z
  .string()
  .regex(participantNames, 'expected p and a number for a producer, c and a number for a consumer');
const segments = z.array(z.string()).min(1).default([segmentName]).describe('segments that it opens');
const node = z.string().default('indexbus-1').describe('node on whose machine it runs');

const numaNode = z.int().min(0).max(7).default(0).describe('NUMA node on which the scheduler runs it');

const burst = z
  .strictObject({ every: durationMs, messages: z.int().min(1).max(100_000) })
  .optional()
  .describe('beside the rate, so many messages at once, again and again');

const checked = z
  .boolean()
  .default(false)
  .describe('producers write a word over each payload, consumers compare it: both have to say so');
const hasty = percent
  .default(0)
  .describe('share of its beginnings in which it closes its bus again while it still waits for a seat');

const producer = z
  .strictObject({
    node,
    'numa node': numaNode,
    segments,
    rate: ratePerSecond.optional().describe("messages a second; default the load's"),
    burst,
    topics: z.array(z.string()).min(1).optional().describe("topics in turn; default the load's"),
    bytes: z.int().min(8).max(65_520).optional().describe("bytes of a payload; default the load's"),
    publish: z
      .enum(['words', 'bytes', 'in place'])
      .default('words')
      .describe(
        'words: publishWords; bytes: publish, of any length; in place: reserve and commit, now and then with a rest between',
      ),
    checked,
    hasty,
    'flush after': durationMs
      .default(0)
      .describe('time after a turn until what it has published is flushed; 0: at the end of the turn'),
  })
  .prefault({});

const consumer = z
  .strictObject({
    node,
    'numa node': numaNode,
    segments,
    subscription: z.string().describe('subscription of the configuration'),
    service: durationMs.optional().describe("time that it needs for a message; default the load's"),
    batch: z.int().min(1).max(4_096).default(256).describe('most messages that it takes at once'),
    acks: z
      .boolean()
      .default(false)
      .describe('it says that it is through as soon as it is, and not only when it takes the next messages'),
    checked,
    hasty,
  })
  .describe('a consumer');

/** What the participants of indexbus do, as `load:` has it. */
export const indexBusLoadSchema = z
  .strictObject({
    producers: z.record(name, producer).default({}).describe('producers by name: { p1: {}, p2: { rate: 50/s } }'),
    consumers: z.record(name, consumer).default({}).describe('consumers by name: { c1: { subscription: fan } }'),
    rate: ratePerSecond.default(100).describe('messages a second of each producer'),
    every: durationMs.default(10).describe('time between two turns of a producer'),
    burst,
    topics: z.array(z.string()).min(1).default(['t']).describe('topics that producers publish to, in turn'),
    bytes: z.int().min(8).max(65_520).default(24).describe('bytes of a payload'),
    keys: z.int().min(1).max(100_000).default(16).describe('number of keys'),
    'hot key': percent.default(0).describe('share of the messages that have key 0'),
    service: durationMs.default(0.02).describe('time that a consumer needs for a message'),
    'per batch': durationMs.default(0).describe('time that a consumer needs each time it takes messages, however many'),
  })
  .describe('what producers and consumers of indexbus do');

export type IndexBusLoad = z.output<typeof indexBusLoadSchema>;
export type ProducerLoad = IndexBusLoad['producers'][string];
export type ConsumerLoad = IndexBusLoad['consumers'][string];
