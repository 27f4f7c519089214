import type { CampaignResult, PlayedRun } from '../../chaos/campaign.ts';
import { isAllReached } from '../../chaos/guidance/guide.ts';
import type { CoverageSummary } from '../../chaos/guidance/summary.ts';
import { summarizeCoverage } from '../../chaos/guidance/summary.ts';
import { showsPlanted } from '../../chaos/runSeed.ts';
import type { DeclaredPoints } from '../../host/telemetry.ts';
import { counted, formatTable } from '../format.ts';
import type { ChaosFlags } from './options.ts';

/** What a campaign came to, for machines (`--json`) and for people. */
export interface ChaosSummary {
  readonly engine: string;
  readonly firstSeed: number;
  readonly shard: string;
  /** The one run that was asked for, with `--run`. */
  readonly run?: string;
  readonly mutant?: string;
  readonly nodeVersion: string;
  /** False: every run was drawn from its own number alone. */
  readonly guided: boolean;
  /** Runs that were played, and how they ended. */
  readonly seeds: number;
  readonly held: number;
  readonly violated: number;
  readonly undecided: number;
  /** Runs, by name, of which it was not decided whether they hold. */
  readonly undecidedRuns: readonly string[];
  /** Runs of which a fault could not be applied, and what was expected for it. */
  readonly skipped: number;
  readonly skippedRuns: readonly { readonly run: string; readonly reason: string }[];
  /** Runs that the stand itself did not get through. */
  readonly broken: readonly { readonly run: string; readonly defect: string }[];
  readonly notBegun: number;
  /** Runs that were drawn near an earlier one. */
  readonly near: number;
  readonly realMs: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly coverage: Pick<CoverageSummary, 'items' | 'rarest'>;
  readonly probes: CoverageSummary['probes'];
  readonly neverReached: readonly string[];
  /** Fault points of the engine that fired in no run. */
  readonly neverFired: readonly string[];
  /** Only with `--until-probes`: whether every probe has fired. */
  readonly probesReached?: boolean;
  readonly failures: readonly ({ readonly run: string } & Partial<NonNullable<PlayedRun['failure']>>)[];
  /** Of each run as it was drawn, by its identity. */
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly interrupted?: true;
}

export function summarizeCampaign(
  engine: string,
  flags: ChaosFlags,
  { results, left }: CampaignResult,
  realMs: number,
  declared: DeclaredPoints,
): ChaosSummary {
  const count = (verdict: PlayedRun['verdict']) => results.filter((result) => result.verdict === verdict).length;
  const { items, rarest, probes, neverReached, neverFired } = summarizeCoverage(results, declared);
  const isEnded = flags.untilProbes === true && isAllReached(results, declared.probes);
  return {
    engine,
    firstSeed: flags.seed,
    shard: `${flags.shard.index}/${flags.shard.of}`,
    ...(flags.run === undefined ? {} : { run: flags.run }),
    ...(flags.mutant === undefined ? {} : { mutant: flags.mutant }),
    nodeVersion: process.versions.node,
    guided: flags.blind !== true,
    seeds: results.length,
    held: count('held'),
    violated: count('violated'),
    undecided: count('undecided'),
    undecidedRuns: results.filter(({ verdict }) => verdict === 'undecided').map(({ run }) => run),
    skipped: count('skipped'),
    skippedRuns: unjudgedRuns(results, 'skipped'),
    broken: unjudgedRuns(results, 'broken').map(({ run, reason }) => ({ run, defect: reason })),
    // Nobody wanted the rest of a campaign whose probes have all fired.
    notBegun: isEnded ? 0 : left,
    near: results.filter(({ run }) => run.includes('.')).length,
    realMs,
    virtualMs: results.reduce((sum, result) => sum + result.virtualMs, 0),
    events: results.reduce((sum, result) => sum + result.events, 0),
    coverage: { items, rarest },
    probes,
    neverReached,
    neverFired,
    ...(flags.untilProbes === true ? { probesReached: isEnded } : {}),
    failures: failuresOf(results).map(({ run, failure }) => ({ run, ...failure })),
    fingerprints: Object.fromEntries(results.map((result) => [result.run, result.fingerprint])),
  };
}

export function failuresOf(results: readonly PlayedRun[]): PlayedRun[] {
  return results.filter((result) => result.failure !== undefined);
}

/** Of a campaign with a planted bug: failures that show it. Those of runs that do not hold without it either show something else. */
export function failuresThatShow(results: readonly PlayedRun[]): PlayedRun[] {
  return results.filter(({ failure }) => failure !== undefined && showsPlanted(failure));
}

function unjudgedRuns(results: readonly PlayedRun[], which: 'skipped' | 'broken') {
  return results.flatMap(({ run, verdict, reason = '' }) => (verdict === which ? [{ run, reason }] : []));
}

/** Skipped runs that people are shown. */
const skippedShown = 5;

/** Part of the runs that may be skipped: of a campaign that leaves out more, nobody knows what it would have found. */
const skippedShareMax = 0.25;

/** Why a campaign says nothing of the engine; undefined: it says something. */
export function emptiness({ seeds, held, violated, undecided, skipped }: ChaosSummary): string | undefined {
  if (held + violated + undecided === 0) return 'no run was judged';
  if (skipped > seeds * skippedShareMax) return `more than ${skippedShareMax * 100} % of the runs were skipped`;
  return undefined;
}

/** The summary for people. */
export function summaryText(summary: ChaosSummary): string {
  const { seeds, held, violated, undecided, skipped, broken, notBegun, near, coverage, probesReached } = summary;
  const { neverReached, neverFired } = summary;
  const empty = emptiness(summary);
  const parts = [
    `${counted(seeds, 'seed')}: ${held} held, ${violated} violated, ${undecided} undecided`,
    skipped > 0 ? `, ${skipped} skipped` : '',
    broken.length > 0 ? `, ${broken.length} broken` : '',
    notBegun > 0 ? `, ${notBegun} not begun` : '',
    near > 0 ? `; ${near} of them near rare ones` : '',
    `; ${Math.round(summary.virtualMs / 1000)} s of virtual time in ${(summary.realMs / 1000).toFixed(1)} s, ${summary.events} events\n`,
    ...summary.undecidedRuns.map((run) => `undecided: npx hotfire chaos ${summary.engine} --run ${run}\n`),
    ...skippedTexts(summary),
    ...broken.map(({ defect }) => `broken: ${defect.split('\n')[0]}\n`),
    empty === undefined ? '' : `this campaign shows nothing: ${empty}\n`,
    // Of one run everything is rare.
    seeds > 1 && coverage.items > 0 ? `${rareText(summary)}\n` : '',
    probesReached === undefined ? '' : `${reachedText(summary)}\n`,
    // One run that somebody asked for by name is no campaign, which should reach them all.
    neverReached.length > 0 && summary.run === undefined ? `probes never reached: ${neverReached.join('; ')}\n` : '',
    neverFired.length > 0 && summary.run === undefined ? `fault points never fired: ${neverFired.join('; ')}\n` : '',
  ];
  return parts.join('');
}

/** Of many the first ones: all are in the JSON. */
function skippedTexts({ engine, skipped, skippedRuns }: ChaosSummary): readonly string[] {
  const shown = skippedRuns.slice(0, skippedShown);
  const texts = shown.map(({ run, reason }) => `skipped: npx hotfire chaos ${engine} --run ${run}: ${reason}\n`);
  return skipped > shown.length ? [...texts, `skipped: ${skipped - shown.length} more\n`] : texts;
}

function rareText({ coverage: { items, rarest } }: ChaosSummary): string {
  const rows = rarest.map(({ item, runs, examples: [first = ''] }) => [String(runs), item, first]);
  return `rarest of the ${items} coverage items that were reached:\n${indent(formatTable([['runs', 'item', 'first in run'], ...rows], [0]))}`;
}

function reachedText({ probes, probesReached, seeds }: ChaosSummary): string {
  const rows = probes.flatMap(({ name, runs, first }) =>
    first === undefined ? [] : [[String(first.after), first.run, String(runs), name]],
  );
  const table = indent(formatTable([['after', 'in run', 'runs', 'probe'], ...rows], [0, 2]));
  const words =
    probesReached === true
      ? `every probe has fired within ${counted(seeds, 'seed')}`
      : `not every probe has fired within ${counted(seeds, 'seed')}`;
  return `probes as they were reached:\n${table}\n${words}`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
