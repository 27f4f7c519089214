import type { MessageBatch } from '../../../engines/indexbus/messageBatch.ts';

/** Word of a payload that says when it was sent, in microseconds of the machine's clock, where it has so many words. */
export const sentAtWord = 2;

/** When a message was sent; undefined where its payload is too short to say. */
export function sentAtUs(batch: MessageBatch, index: number): number | undefined {
  if (batch.byteLength(index) < (sentAtWord + 1) * 4) return undefined;
  return batch.words[batch.wordOffset(index) + sentAtWord];
}
