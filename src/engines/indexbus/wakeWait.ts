import type { Attachment } from './join.ts';
import { sleepBoundMs } from './waiting.ts';

/** How a wait ended: it is so; time ran out; the bus of the waiting side closes. */
export type WaitEnd = 'so' | 'late' | 'closing';

/**
 * Waits for what the router does with a seat: sleeps on the seat's wake word until `isSo`. The sequence is read before each look, so a wake between the
 * look and the sleep ends the sleep at once; no sleep is longer than `sleepBoundMs`, so what nobody wakes for is seen, too.
 *
 * @param deadline of the host's clock, in milliseconds; infinite: for ever
 * @param closing ends the wait; default nothing does
 */
export async function waitForRouter(
  { segment, host }: Attachment,
  wake: number,
  deadline: number,
  isSo: () => boolean,
  closing?: AbortSignal,
): Promise<WaitEnd> {
  const { region, words } = segment;
  for (;;) {
    const sequence = Atomics.load(words, wake);
    if (isSo()) return 'so';
    if (closing?.aborted === true) return 'closing';
    const left = deadline - host.clock.now();
    if (!(left > 0)) return 'late';
    await region.waitAsync(wake, sequence, Math.min(left, sleepBoundMs));
  }
}
