/** What happens in a run and steps may wait for. */
export type Signal =
  | { readonly kind: 'alert'; readonly name: string; readonly change: 'fires' | 'resolves' }
  | { readonly kind: 'log'; readonly node: string; readonly text: string }
  | { readonly kind: 'node'; readonly node: string; readonly state: string }
  /** The metrics that were scraped at this time are in, and the rules were evaluated. */
  | { readonly kind: 'tick'; readonly scrapedMs: number }
  | { readonly kind: 'step' };

/** Tells those who wait. */
export interface Signals {
  emit(signal: Signal): void;
  /** Resolves at the first signal for which `test` is true. */
  wait(test: (signal: Signal) => boolean): Promise<void>;
}

export function createSignals(): Signals {
  const waiting = new Set<{ test: (signal: Signal) => boolean; resolve: () => void }>();
  return {
    emit(signal) {
      for (const waiter of [...waiting]) {
        if (!waiter.test(signal)) continue;
        waiting.delete(waiter);
        waiter.resolve();
      }
    },
    wait: (test) =>
      new Promise((resolve) => {
        waiting.add({ test, resolve });
      }),
  };
}
