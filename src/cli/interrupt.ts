import { constants } from 'node:os';

/** A signal so soon after the first is the same wish: `timeout` and terminals tell a process and its group, one after the other. */
const sameWishMs = 1000;

/**
 * Calls `stop` once when the process is told to end (SIGINT, SIGTERM), with the exit code that says so: 130 or 143. A
 * signal more than a second later ends the process at once. Returns how to listen no longer.
 */
export function onInterrupt(stop: (exitCode: number) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  let patience: NodeJS.Timeout | undefined;
  const told = (signal: (typeof signals)[number]) => {
    if (patience !== undefined) return;
    // Without listeners the system ends the process, even one that is too busy to hear.
    patience = setTimeout(ignore, sameWishMs).unref();
    stop(128 + constants.signals[signal]);
  };
  const ignore = () => {
    clearTimeout(patience);
    for (const signal of signals) process.off(signal, told);
  };
  for (const signal of signals) process.on(signal, told);
  return ignore;
}
