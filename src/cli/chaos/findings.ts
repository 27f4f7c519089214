import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import type { PlayedRun } from '../../chaos/campaign.ts';
import type { ScenarioDocument } from '../../chaos/definition.ts';
import { classifyFindings, type Replayed } from '../../chaos/findings/classify.ts';
import {
  type Finding,
  FindingsError,
  type FindingsFile,
  readFindings,
  writeFindings,
} from '../../chaos/findings/findingsFile.ts';
import { playEdited } from '../../chaos/shrink/trial.ts';
import { UsageError } from '../exit.ts';
import { readVocabulary } from '../vocabulary.ts';

/** The findings of a campaign, from the file before to the file after. */
export interface FindingsBook {
  /**
   * Compares, replays what no run showed again, writes the file anew.
   *
   * @param mayReplay asked before each replay; false: the campaign was interrupted or its time is over, what was not seen again stays ongoing
   */
  close(results: readonly PlayedRun[], mayReplay: () => boolean): Promise<readonly Finding[]>;
}

/**
 * Opens the file before anything is played for it.
 *
 * @throws UsageError when it is damaged, or belongs to another campaign
 */
export function openFindings(file: string, engine: string, mutant: string | undefined, commit: string): FindingsBook {
  if (!existsSync(dirname(file)))
    throw new UsageError(`expected --findings in a directory that is there, got ${file}; make ${dirname(file)} first`);
  let last: FindingsFile | undefined;
  try {
    last = readFindings(file, engine, mutant);
  } catch (error) {
    throw error instanceof FindingsError ? new UsageError(error.message) : error;
  }
  return {
    async close(results, mayReplay) {
      const findings = await classifyFindings({
        engine,
        commit,
        last: last?.findings,
        results,
        replay: async (scenario, seed) => (mayReplay() ? await replay(scenario, seed, mutant) : 'not replayed'),
      });
      writeFindings(file, {
        version: 1,
        kind: 'hotfire findings',
        engine,
        ...(mutant === undefined ? {} : { mutant }),
        commit,
        findings,
      });
      return findings;
    },
  };
}

async function replay(scenario: string, seed: number | undefined, mutant: string | undefined): Promise<Replayed> {
  const document = parse(scenario) as ScenarioDocument; // as chaos wrote it; its schema is looked at before it is played
  const reseeded = seed === undefined ? document : { ...document, seed };
  const record = await playEdited(reseeded, readVocabulary(), mutant === undefined ? [] : [mutant]);
  return record?.verdict ?? 'unplayable';
}

/** Three lists for people, of which the empty ones are a word. */
export function findingsText(findings: readonly Finding[], file: string): string {
  const lines = (['new', 'ongoing', 'resolved'] as const).flatMap((state) => {
    const those = findings.filter((finding) => finding.state === state);
    return [`${state}: ${those.length === 0 ? 'none' : those.length}`, ...those.map(findingLine)];
  });
  return `findings against the last campaign, in ${file}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

function findingLine({ id, checks, faults, runs, replayed, firstSeen }: Finding): string {
  const shown = runs.length > 0 ? `run ${runs.slice(0, 3).join(', ')}` : replayText(replayed);
  const since = `first on ${firstSeen.commit.slice(0, 12)} in run ${firstSeen.run}`;
  return `  ${id}  ${checks.join(', ')}, with ${faults.length === 0 ? 'no fault' : faults.join(', ')}: ${shown}; ${since}`;
}

function replayText(replayed: Finding['replayed']): string {
  switch (replayed) {
    case 'held':
      return 'its scenario now holds';
    case 'violated':
      return 'its scenario still fails';
    case 'undecided':
      return 'its scenario could not be decided';
    case 'unplayable':
      return 'its scenario cannot be played any more';
    default:
      return 'its scenario was not played again';
  }
}
