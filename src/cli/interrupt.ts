import { constants } from 'node:os';

/**
 * Calls `stop` once when the process is told to end (SIGINT, SIGTERM), with the exit code that says so: 130 or 143. A
 * second signal ends the process at once. Returns how to listen no longer.
 */
export function onInterrupt(stop: (exitCode: number) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const told = (signal: (typeof signals)[number]) => {
    ignore();
    stop(128 + constants.signals[signal]);
  };
  const ignore = () => {
    for (const signal of signals) process.off(signal, told);
  };
  for (const signal of signals) process.on(signal, told);
  return ignore;
}
