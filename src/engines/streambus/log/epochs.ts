import type { BatchHeader } from '../../../wire/kafka/recordBatch.ts';

/** From which offset on a leader's term wrote. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/** Which leader epoch begins where: a fold of the log, ascending in both (KIP-101). */
export class Epochs {
  #starts: EpochStart[];

  constructor(starts: readonly EpochStart[] = []) {
    this.#starts = [...starts];
  }

  get all(): readonly EpochStart[] {
    return this.#starts;
  }

  /** A batch of this epoch begins at `offset`. */
  note(epoch: number, offset: number): void {
    const last = this.#starts.at(-1);
    if (last !== undefined && last.epoch >= epoch) {
      if (last.epoch > epoch) throw new Error(`leader epoch ${epoch} follows ${last.epoch} at offset ${offset}`);
      return;
    }
    this.#starts.push({ epoch, startOffset: offset });
  }

  /** The log begins at `start` now: what ended before it is forgotten. */
  trim(start: number): void {
    const first = this.#starts.findLastIndex((epoch) => epoch.startOffset <= start);
    if (first > 0) this.#starts = this.#starts.slice(first);
  }

  /** The epoch that wrote `offset`; undefined when nothing was written there. */
  at(offset: number): number | undefined {
    return this.#starts.findLast((epoch) => epoch.startOffset <= offset)?.epoch;
  }

  /**
   * What is wrong with a stored batch's leader epoch; undefined: nothing, or what the log had there is forgotten. The leader stamps the
   * field outside of what the CRC covers, so that only this shows that it has rotted.
   */
  mismatch({
    baseOffset,
    partitionLeaderEpoch,
  }: Pick<BatchHeader, 'baseOffset' | 'partitionLeaderEpoch'>): string | undefined {
    const expected = this.at(baseOffset);
    if (expected === undefined || expected === partitionLeaderEpoch) return undefined;
    return `the batch at offset ${baseOffset} has leader epoch ${partitionLeaderEpoch}, the log has ${expected} there`;
  }

  /** The last epoch at or below `epoch` and where it ends, which is `end` for the newest; -1 and -1 when all are above. */
  endOf(epoch: number, end: number): { readonly epoch: number; readonly endOffset: number } {
    const n = this.#starts.findLastIndex((start) => start.epoch <= epoch);
    const found = this.#starts[n];
    if (found === undefined) return { epoch: -1, endOffset: -1 };
    return { epoch: found.epoch, endOffset: this.#starts[n + 1]?.startOffset ?? end };
  }
}
