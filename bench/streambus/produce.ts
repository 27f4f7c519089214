/** One message after the other, any number at a time, against every contestant in turn. */
import { performance } from 'node:perf_hooks';
import { quantile } from '../measure.ts';
import type { Contestant } from './peers.ts';

/** What one round of one contestant came to. */
export interface Round {
  /** Messages acknowledged a second. */
  readonly rate: number;
  /** Milliseconds from send to answer. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

/** Keeps `inFlight` messages under way for `ms` milliseconds. */
export async function produceRound(
  { send }: Contestant,
  message: Uint8Array,
  inFlight: number,
  ms: number,
): Promise<Round> {
  const began = performance.now();
  const took: number[] = [];
  let failed = 0;
  const sender = async () => {
    while (performance.now() - began < ms) {
      const sent = performance.now();
      try {
        await send(message);
        took.push(performance.now() - sent);
      } catch {
        failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sender));
  const seconds = (performance.now() - began) / 1_000;
  return { rate: took.length / seconds, p50: quantile(took, 0.5), p99: quantile(took, 0.99), failed };
}
