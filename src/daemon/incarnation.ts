import { closeSync, constants, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, ExitCode } from '../engines/engine.ts';

/** The file in an engine's state directory that counts its starts. */
export const INCARNATION_FILE = 'INCARNATION';

/** The count of this start, and how to make it last. */
export interface Incarnation {
  /** 1 for the first start, one more for each later one. */
  readonly number: number;
  /**
   * Writes the count down. Called as soon as the directory is there; a disk that takes no more bytes must not keep an
   * engine from starting, so this returns the reason instead of throwing.
   */
  record(): string | undefined;
}

/**
 * Counts a start. The number stands in one line of fixed length and is overwritten in place: one sector, so it is old or
 * new after a crash, and on a full disk it needs no space.
 *
 * @throws EngineError with exit code 65 if the file holds no number
 */
export function nextIncarnation(stateDirectory: string | undefined): Incarnation {
  // Nothing of an earlier start is left, so nobody can mistake this one for it.
  if (stateDirectory === undefined) return { number: 1, record: () => undefined };
  const path = join(stateDirectory, INCARNATION_FILE);
  const number = lastIncarnation(path) + 1;
  return { number, record: () => record(path, number) };
}

function lastIncarnation(path: string): number {
  if (!existsSync(path)) return 0;
  const text = readFileSync(path, 'latin1').trim();
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new EngineError(
    'STATE_DAMAGED',
    ExitCode.data,
    `${path}: expected the number of the last start, got ${JSON.stringify(text.slice(0, 40))}; write a number there that is higher than any used before`,
  );
}

function record(path: string, number: number): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o640);
    writeSync(descriptor, `${String(number).padStart(15, '0')}\n`, 0);
    fdatasyncSync(descriptor);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
