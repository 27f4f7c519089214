import { formatTime } from './timelineLine.ts';

const width = 30;

/** A progress bar on a terminal's last line; elsewhere nothing is drawn. */
export interface ProgressBar {
  update(nowMs: number, totalMs: number): void;
  /** Takes the bar away, so that a line can be printed; the next update draws it again. */
  clear(): void;
}

/** Draws on `stream` if it is a terminal, at most ten times a second. */
export function createProgressBar(stream: NodeJS.WriteStream, now: () => number = Date.now): ProgressBar {
  let drawn = false;
  let lastMs = 0;
  return {
    update(nowMs, totalMs) {
      if (!stream.isTTY || now() - lastMs < 100) return;
      lastMs = now();
      const share = Math.min(1, nowMs / totalMs);
      const filled = Math.round(share * width);
      const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
      stream.write(`\r\u001b[K${bar} ${Math.round(share * 100)} %  ${formatTime(nowMs)} of virtual time`);
      drawn = true;
    },
    clear() {
      if (drawn) stream.write('\r\u001b[K');
      drawn = false;
    },
  };
}
