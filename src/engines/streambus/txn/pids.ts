import type { MetaCommands } from '../meta/commands.ts';

/** Ids for producers: each is given once in the life of the cluster. */
export interface ProducerIds {
  /** Rejects with `MetaError` when a block is needed and the metadata cannot be changed now. */
  next(): Promise<number>;
}

/** Takes ids from the metadata in blocks of 1,000; what is left of a block when the broker ends is never used. */
export function createProducerIds(commands: MetaCommands): ProducerIds {
  let next = 0;
  let end = 0;
  let refill: Promise<void> | undefined;

  async function takeBlock(): Promise<void> {
    const block = await commands.submit({ type: 'allocate-producer-ids' });
    next = block.first;
    end = block.first + block.count;
  }

  return {
    async next() {
      // One request for all who wait; where more wait than a block has, the rest asks again.
      while (next >= end) {
        refill ??= takeBlock().finally(() => {
          refill = undefined;
        });
        await refill;
      }
      return next++;
    },
  };
}
