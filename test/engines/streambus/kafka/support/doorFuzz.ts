import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Host } from '../../../../../src/host/host.ts';
import type { Address, Connection } from '../../../../../src/host/network.ts';
import { type ApiInfo, apiKeys, apis } from '../../../../../src/wire/kafka/apis.ts';
import { correlationIdOf, encodeRequest } from '../../../../../src/wire/kafka/codec.ts';
import { messages, type RequestInput } from '../../../../../src/wire/kafka/messages.ts';
import { buildBatch } from '../../../../../src/wire/kafka/records.ts';
import { arbitraryOf } from '../../../../wire/kafka/arbitraryMessage.ts';
import type { WireClient } from './wireClient.ts';

/** Cases of a run: a seeded few by default, all ten thousand by `DOOR_FUZZ_CASES=10000`. */
export const fuzzCases = Number(process.env.DOOR_FUZZ_CASES ?? 250);
export const fuzzSeed = Number(process.env.DOOR_FUZZ_SEED ?? 1);
/** What the broker may hold beyond the start, whatever the cases claim. */
export const growthBytesMax = 128 * 1024 * 1024;
/** Longer than a client may be silent within a frame. */
const patienceMs = 45_000;

export const fuzzKinds = [
  'noise',
  'framed-noise',
  'header-and-noise',
  'cut',
  'huge',
  'mutated',
  'sound',
  'glued',
  'drip',
] as const;
export type FuzzKind = (typeof fuzzKinds)[number];

/** Draws from a seed (mulberry32): a fuzz case must come again, and neighbours must have nothing in common. */
export class Draw {
  #state: number;

  constructor(from: number) {
    this.#state = from;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }
}

/** A request as a client might send it, with anything in its fields. */
function soundRequest(draw: Draw): Buffer {
  const api: ApiInfo = draw.pick(apis);
  const version = api.lowest + draw.below(api.max - api.lowest + 1);
  const [body] = fc.sample(arbitraryOf(messages[api.key].request, version), { seed: draw.below(2 ** 31), numRuns: 1 });
  // The arbitrary follows the same schema as the type.
  return Buffer.concat(
    encodeRequest(api.key, version, draw.below(1_000), 'fuzz', body as RequestInput<typeof api.key>),
  );
}

function withLength(frame: Uint8Array, claimed = frame.length): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(claimed);
  return Buffer.concat([length, frame]);
}

function mutated(draw: Draw, request: Buffer): Buffer {
  const bytes = Buffer.from(request);
  for (let n = 1 + draw.below(4); n > 0; n--)
    bytes[4 + draw.below(bytes.length - 4)] = draw.pick([0, 1, 127, 128, 255, draw.below(256)]);
  return bytes;
}

export function fuzzBytes(kind: FuzzKind, draw: Draw): Buffer {
  const request = soundRequest(draw);
  switch (kind) {
    case 'noise':
      return draw.bytes(draw.below(600));
    case 'framed-noise':
      return withLength(draw.bytes(draw.below(600)));
    case 'header-and-noise':
      return withLength(Buffer.concat([request.subarray(4, 4 + 8 + draw.below(12)), draw.bytes(draw.below(300))]));
    case 'cut':
      return request.subarray(0, draw.below(request.length));
    case 'huge':
      return withLength(
        request.subarray(4),
        draw.pick([0x7fffffff, -1, -0x80000000, 100_000_001, 99_999_999, 1 << 24]),
      );
    case 'mutated':
      return mutated(draw, request);
    case 'sound':
      return request;
    case 'glued':
      return Buffer.concat([request, mutated(draw, soundRequest(draw)), soundRequest(draw)]);
    case 'drip':
      return mutated(draw, request);
  }
}

/** What became of a connection. */
export interface End {
  readonly answeredBytes: number;
  /** The broker ended it in time. */
  readonly isOver: boolean;
}

/** Reads to the end of what comes. */
async function drained(host: Host, connection: Connection): Promise<End> {
  let answeredBytes = 0;
  const over = (async (): Promise<End> => {
    try {
      for (let chunk = await connection.read(); chunk !== undefined; chunk = await connection.read()) {
        answeredBytes += chunk.length;
      }
    } catch {
      // Reset: over all the same.
    }
    return { answeredBytes, isOver: true };
  })();
  return await Promise.race([over, host.clock.sleep(patienceMs).then(() => ({ answeredBytes, isOver: false }))]);
}

/** Plays one case. */
export async function play(host: Host, address: Address, kind: FuzzKind, bytes: Buffer): Promise<End> {
  const connection = await host.network.connect(address);
  const over = drained(host, connection);
  try {
    if (kind === 'drip') {
      for (let at = 0; at < bytes.length; at += 7) {
        await connection.write(bytes.subarray(at, at + 7));
        await host.clock.sleep(1);
      }
    } else {
      await connection.write(bytes);
    }
    await connection.end();
  } catch {
    // It was closed while we wrote: an answer, too.
  }
  const end = await over;
  connection.destroy();
  return end;
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes that are in use, garbage not counted. */
export function usedBytes(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** An honest client on a connection of its own, which must not notice anything. */
export async function honestRound(client: WireClient, round: number): Promise<void> {
  const value = new TextEncoder().encode(`${round}`);
  const produced = await client.call(apiKeys.Produce, 9, {
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: 'honest', partitionData: [{ index: 0, records: buildBatch([{ timestamp: 1, value }]) }] }],
  });
  expect(produced.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: round });
  const correlation = await client.send(apiKeys.Metadata, 9, { topics: [{ name: 'honest' }] });
  const frame = await client.frame();
  expect(frame === undefined ? undefined : correlationIdOf(frame)).toBe(correlation);
}
