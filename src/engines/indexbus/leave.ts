import { ringSeatsBell } from './bells.ts';
import type { Attachment, HeldSeat } from './join.ts';
import { Point } from './points.ts';
import { changed, epochOf, SeatState, seatWord, stateOf } from './seat.ts';
import { sleepBoundMs } from './waiting.ts';

/**
 * Says that the holder of a fenced seat knows: from here on it writes nothing there, and its seat can be drained, so it needs no lock any more. A
 * seat in another state stays as it is.
 */
export function acknowledgeFence(attachment: Attachment, seat: HeldSeat): void {
  const { region, words } = attachment.segment;
  region.step(Point.acknowledgeFence);
  const fenced = seatWord(seat.epoch, SeatState.fenced);
  if (Atomics.compareExchange(words, seat.place.at, fenced, changed(fenced, 'acked')) === fenced) ringSeatsBell(region);
  seat.release();
}

/**
 * Gives a seat back and waits until the router is through with it. The lock is kept so long, since a seat in use without its lock is
 * one in doubt. The holder has ended everything of its own before.
 *
 * @returns false if the router was not through after `drainTimeoutMs`: it goes on without this process
 */
export async function leave(attachment: Attachment, seat: HeldSeat, drainTimeoutMs: number): Promise<boolean> {
  const { segment, host } = attachment;
  const { region, words } = segment;
  const { at, wake } = seat.place;
  region.step(Point.seatLeaving);
  const live = seatWord(seat.epoch, SeatState.live);
  if (Atomics.compareExchange(words, at, live, changed(live, 'leaving')) === live) ringSeatsBell(region);
  else acknowledgeFence(attachment, seat);
  const deadline = host.clock.now() + drainTimeoutMs;
  for (;;) {
    const sequence = Atomics.load(words, wake);
    const word = Atomics.load(words, at);
    const gone = epochOf(word) !== seat.epoch || stateOf(word) === 'free';
    const left = deadline - host.clock.now();
    if (gone || !(left > 0)) {
      seat.release();
      return gone;
    }
    await region.waitAsync(wake, sequence, Math.min(left, sleepBoundMs));
  }
}
