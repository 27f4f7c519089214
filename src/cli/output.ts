import { ExitCode } from '../engines/engine.ts';

/** The reader of standard output has gone (`| head`): whoever prints without end may stop. The exit code is 0. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

let lost = false;

/** True once nothing that is printed arrives any more. */
export function outputLost(): boolean {
  return lost;
}

/**
 * Lets a command outlive its standard output. A reader that has seen enough (`| head`) is no failure: what is printed from
 * then on is dropped, the command does the rest of its work, and its exit code is what it would have been. Output that
 * cannot be written (a full disk) is named once on standard error, and what would have ended with 0 ends with 74.
 */
export function surviveLostOutput(process: NodeJS.Process): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (lost) return;
    lost = true;
    if (error.code === 'EPIPE') return;
    process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
    process.on('exit', (code) => {
      if (code === 0) process.exitCode = ExitCode.io;
    });
  });
  // Without a reader of the complaints there is nobody left to complain to.
  process.stderr.on('error', () => {});
}

/** Prints, and waits until the reader has caught up. Throws `ReaderGone` when there is none. */
export async function printSlowly(text: string): Promise<void> {
  if (lost) throw new ReaderGone();
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => {
    const over = () => {
      process.stdout.off('drain', over).off('error', over);
      resolve();
    };
    process.stdout.on('drain', over).on('error', over);
  });
}
