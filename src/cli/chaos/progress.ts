import type { RunProgress } from '../../chaos/executor.ts';

/** How far a campaign has come, for people: one line that is overwritten on a terminal, now and then a line elsewhere. */
export interface CampaignProgress {
  /** A run has ended. */
  ended(run: string): void;
  /** A failed run is being made smaller. */
  shrinking(run: string, progress: RunProgress): void;
  /** Takes the line away, so that something else can be printed. */
  clear(): void;
}

/** Without a terminal a line comes after so many runs; when a shrinking begins, and after so many runs of it. */
const runsPerLine = 50;
const shrinkRunsPerLine = 100;

/** @param total runs of the whole campaign, at most */
export function createCampaignProgress(output: NodeJS.WriteStream, total: number): CampaignProgress {
  /** Runs that are being made smaller, by the words for how far it has come. */
  const shrinking = new Map<string, string>();
  /** Without a terminal: runs of a shrinking from which on the next line is due. */
  const due = new Map<string, number>();
  let ended = 0;
  let width = 0;

  function draw(): void {
    const text = [`${ended}/${total} seeds`, ...shrinking.values()].join('; ').slice(0, (output.columns ?? 80) - 1);
    output.write(`\r${text.padEnd(width)}`);
    width = text.length;
  }

  return {
    ended(run) {
      ended++;
      shrinking.delete(run);
      due.delete(run);
      if (output.isTTY) draw();
      else if (ended % runsPerLine === 0) output.write(`${ended}/${total} seeds\n`);
    },
    shrinking(run, progress) {
      const text = shrinkText(run, progress);
      shrinking.set(run, text);
      if (output.isTTY) draw();
      else if (progress.runs >= (due.get(run) ?? 0)) {
        due.set(run, progress.runs + shrinkRunsPerLine);
        output.write(`${text}\n`);
      }
    },
    clear() {
      if (!output.isTTY || width === 0) return;
      output.write(`\r${' '.repeat(width)}\r`);
      width = 0;
    },
  };
}

function shrinkText(run: string, { pass, runs, runsMax, faults, nodes, operations }: RunProgress): string {
  return `run ${run}: making it smaller (${pass}), ${runs} of at most ${runsMax} runs, now ${faults} faults, ${nodes} nodes, ${operations} operations`;
}
