import type { Region } from '../../host/sharedMemory.ts';
import { Header } from './layout.ts';

/** Wakes the router if it sleeps. What it shall see has been stored before: the loads and stores of both sides are sequentially consistent. */
export function wakeRouter(region: Region): void {
  const { words } = region;
  if (Atomics.load(words, Header.routerSleeping) === 0) return;
  Atomics.add(words, Header.routerWake, 1);
  region.wake(Header.routerWake, 1);
}

/** Tells the router that a seat wants something of it. */
export function ringSeatsBell(region: Region): void {
  Atomics.add(region.words, Header.seatsBell, 1);
  wakeRouter(region);
}
