import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { canonicalize } from '../wire/jcs.ts';
import type { ScenarioDocument } from './definition.ts';

/** Where failures that chaos found are kept, from the working directory. Every file in it is played by the tests. */
export const corpusDirectory = 'scenarios/regressions';

/** Where a kept failure came from. */
export interface Provenance {
  readonly engine: string;
  /** The run's identity: `17.60`. */
  readonly run: string;
  readonly checks: readonly string[];
  /** The commit on which it failed. */
  readonly commit: string;
  /** What showed it there. */
  readonly command: string;
}

/**
 * The name of a scenario by what is played, eight hexadecimal digits: comments, the order of keys, and what is told of it
 * (`title`, `source`, `description`) do not count, so that people may explain a kept failure without renaming it.
 */
export function contentHash(yaml: string): string {
  const { title: _, source: __, description: ___, ...played } = parse(yaml) as ScenarioDocument; // every scenario is a map
  return createHash('sha256').update(canonicalize(played)).digest('hex').slice(0, 8);
}

/**
 * Writes a shrunk failure into the corpus, with where it came from. One that is there already, whoever found it, stays as it is.
 *
 * @param root where `scenarios/regressions` is, or is made
 * @returns the file, relative to `root`, and whether it is new
 */
export function keepFailure(
  root: string,
  scenario: string,
  provenance: Provenance,
): { readonly file: string; readonly isNew: boolean } {
  const file = join(corpusDirectory, `${provenance.engine}-${contentHash(scenario)}.yaml`);
  const path = join(root, file);
  if (existsSync(path)) return { file, isNew: false };
  mkdirSync(dirname(path), { recursive: true });
  const withSchema = existsSync(join(root, 'scenarios/schema.json'));
  writeFileSync(
    path,
    `${withSchema ? '# yaml-language-server: $schema=../schema.json\n' : ''}${keptText(scenario, provenance)}`,
  );
  return { file, isNew: true };
}

function keptText(scenario: string, { run, checks, commit, command }: Provenance): string {
  const { title, ...played } = parse(scenario) as ScenarioDocument; // as chaos wrote it
  const source = `found by chaos, run ${run}, on commit ${commit.slice(0, 12)}`;
  const header = [
    `# Run: ${run}`,
    `# Checks: ${checks.join(', ')}`,
    `# Failed on commit: ${commit}`,
    `# Seen there with: ${command}`,
  ];
  return `${header.join('\n')}\n${stringify({ title, source, ...played }, { lineWidth: 0 })}`;
}
