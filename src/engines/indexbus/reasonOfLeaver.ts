import { DetachReason } from './layout.ts';

/**
 * Why one has gone that said that it leaves, whatever else came of it before its router had seen that: it had ended all of its own, so a death or a fence
 * takes nothing from it. Damage has to be told all the same.
 *
 * @param given the reason it would have without its word
 */
export function reasonOfLeaver(given: number): number {
  return given === DetachReason.corrupt ? given : DetachReason.graceful;
}
