import type { PlayedRun } from '../../chaos/campaign.ts';
import { keepFailure } from '../../chaos/corpus.ts';
import { showsPlanted } from '../../chaos/runSeed.ts';
import { leaveFailure, reportsMax, withoutText } from './failureFolder.ts';
import type { ChaosFlags } from './options.ts';
import type { CampaignProgress } from './progress.ts';

/** Takes failures as they come, and leaves, keeps and prints them one after another. */
export interface FailureDesk {
  /** Takes a result; one without a failure is nothing. */
  take(result: PlayedRun): void;
  /** Until everything that was taken is written. */
  written(): Promise<void>;
}

/** @param root where `scenarios/regressions` is, for `--keep` */
export function createFailureDesk(
  engine: string,
  flags: ChaosFlags,
  commit: string,
  progress: CampaignProgress,
  root = '.',
): FailureDesk {
  let reports = 0;
  let last: Promise<void> = Promise.resolve();

  async function leave({ run, failure }: PlayedRun): Promise<void> {
    if (failure === undefined) return;
    const withReport = reports++ < reportsMax;
    const left = await leaveFailure(
      { run, failure },
      { engine, mutant: flags.mutant, out: flags.out, commit, withReport },
    );
    const again = `npx hotfire chaos ${engine} --run ${run}${flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`}`;
    const { checks, reasons } = failure;
    const kept =
      flags.keep === true
        ? keepFailure(root, failure.scenario, { engine, run, checks, commit, command: again })
        : undefined;
    progress.clear();
    const lines = [
      `run ${run}: ${checks.join(', ')}`,
      ...reasons.slice(0, 3).map((reason) => `  ${reason}`),
      ...(showsPlanted(failure) ? [] : [`  planted: not shown by it, ${withoutText(failure)}`]),
      `  file:    ${left.scenario} (after ${failure.shrinkRuns} smaller runs)`,
      `  report:  ${left.page ?? 'none'}${left.trouble === undefined ? '' : ` (${left.trouble})`}`,
      `  replay:  ${left.replay}`,
      `  again:   ${again}`,
      ...(kept === undefined ? [] : [`  kept:    ${kept.file}${kept.isNew ? '' : ' (was there)'}`]),
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }

  return {
    take(result: PlayedRun): void {
      // A full disk does not take the campaign with it: the summary still names the failure.
      last = last
        .then(() => leave(result))
        .catch((error: unknown) => {
          const why = error instanceof Error ? error.message : String(error);
          process.stderr.write(`error: what run ${result.run} left could not be written: ${why}\n`);
        });
    },
    written: () => last,
  };
}
