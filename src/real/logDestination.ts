import { write } from 'node:fs';
import type { DestinationStream } from 'pino';

/** Lines that wait for a slow reader, in characters. What comes beyond is dropped and counted. */
const WAITING_MAX = 1 << 20;
/** A reader that takes nothing now is asked again so soon, in milliseconds. */
const AGAIN_MS = 100;
/** The level of pino's warnings. */
const WARN = 40;

/** Where log lines go. It never throws and never waits: logs that cannot be written must not stop what writes them. */
export interface LogDestination extends DestinationStream {
  /** Lines that were dropped: the device took none, or its reader was too slow. */
  readonly dropped: number;
  /** Waits until all lines are written or dropped, `ms` at most. */
  flush(ms: number): Promise<void>;
}

/**
 * Lines to an open file descriptor: one write at a time, in order. On an error (a full device, a reader that is gone) the
 * lines of that write are dropped; the next write that succeeds is preceded by a line that says how many were.
 */
export function createLogDestination(fd: number): LogDestination {
  let waiting: string[] = [];
  let waitingLength = 0;
  let isWriting = false;
  let dropped = 0;
  /** Of those dropped, how many a written line has told of. */
  let told = 0;
  const idle: (() => void)[] = [];

  function next(): void {
    if (waiting.length === 0) {
      isWriting = false;
      for (const done of idle.splice(0)) done();
      return;
    }
    isWriting = true;
    const lines = waiting.length;
    const count = dropped;
    const note =
      count === told
        ? ''
        : `${JSON.stringify({ level: WARN, time: Date.now(), dropped: count - told, msg: 'log lines dropped' })}\n`;
    const bytes = Buffer.from(note + waiting.join(''));
    waiting = [];
    waitingLength = 0;
    put(bytes, (error) => {
      if (error === null) told = count;
      else dropped += lines;
      next();
    });
  }

  function put(bytes: Buffer, done: (error: Error | null) => void): void {
    write(fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => put(bytes, done), AGAIN_MS);
      else if (error !== null || written === bytes.length) done(error);
      else put(bytes.subarray(written), done);
    });
  }

  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (waitingLength + line.length > WAITING_MAX) {
        dropped++;
        return;
      }
      waiting.push(line);
      waitingLength += line.length;
      if (!isWriting) next();
    },
    flush(ms) {
      if (!isWriting) return Promise.resolve();
      return new Promise((resolve) => {
        const enough = setTimeout(resolve, ms);
        idle.push(() => {
          clearTimeout(enough);
          resolve();
        });
      });
    },
  };
}
