import type { Sample } from '../stand.ts';

const quantiles = [0.5, 0.99, 1] as const;

/** How long messages took from their publish until their consumers had them, of those that came since the last look. */
export class Latencies {
  readonly #byConsumer = new Map<string, number[]>();

  add(consumer: string, ms: number): void {
    const known = this.#byConsumer.get(consumer);
    if (known === undefined) this.#byConsumer.set(consumer, [ms]);
    else known.push(ms);
  }

  /** Quantiles of these consumers, as their own processes would export them; what was looked at is forgotten. */
  take(consumers: readonly string[]): Sample[] {
    return consumers.flatMap((consumer) => {
      const taken = this.#byConsumer.get(consumer);
      if (taken === undefined) return [];
      this.#byConsumer.delete(consumer);
      const sorted = Float64Array.from(taken).sort();
      return quantiles.map((quantile): Sample => {
        const at = Math.max(0, Math.ceil(quantile * sorted.length) - 1);
        return {
          name: 'app_message_latency_seconds',
          help: 'From publish until a consumer had the message, of those since the last scrape.',
          type: 'gauge',
          labels: { consumer, quantile: String(quantile) },
          value: (sorted[at] ?? 0) / 1_000,
        };
      });
    });
  }
}
