import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { UsageError } from './exit.ts';
import { readScenario } from './scenarioText.ts';
import { packageRoot } from './vocabulary.ts';

interface BisectFlags {
  readonly good: string;
  readonly bad: string;
  readonly repository: string;
}

/** The commits between which is searched. */
interface Ends {
  readonly good: string;
  readonly bad: string;
}

/** What a commit makes of the scenario. `skip`: it cannot tell (the scenario does not load there, the run is undecided). */
type Mark = 'good' | 'bad' | 'skip';

/** `hotfire bisect`. */
export function bisectCommand(): Command {
  return new Command('bisect')
    .summary('find the commit that broke a scenario')
    .description(
      'Finds the first commit on which a scenario is violated, with git bisect in a work tree of its own: the checkout stays as\n' +
        'it is. The scenario is the file as it is now; a commit on which it cannot be played or decided is skipped.',
    )
    .argument('<scenario>', 'a file, or the name of a scenario of the package')
    .requiredOption('--good <rev>', 'a commit on which it held')
    .option('--bad <rev>', 'a commit on which it is violated', 'HEAD')
    .option('--repository <dir>', 'checkout whose commits are searched', fileURLToPath(packageRoot))
    .addHelpText(
      'after',
      `
Exit codes: 0 found, 2 not found (every candidate was skipped, or the ends are not as told), 64 usage.

Examples:
  $ hotfire bisect incident.yaml --good HEAD~100
  $ hotfire bisect slow-fsync --good HEAD~40 --bad HEAD`,
    )
    .action((scenario: string, flags: BisectFlags) => {
      process.exitCode = bisect(scenario, flags);
    });
}

function bisect(wanted: string, { good, bad, repository }: BisectFlags): number {
  const { file } = readScenario(wanted);
  const git = (directory: string, ...words: string[]): string => {
    try {
      return execFileSync('git', words, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim(); // execFileSync's error carries it
      throw new UsageError(`git ${words.join(' ')} in ${directory}: ${said || String(error)}`);
    }
  };
  const commitOf = (revision: string) => git(repository, 'rev-parse', '--verify', `${revision}^{commit}`).trim();
  const ends = { good: commitOf(good), bad: commitOf(bad) };
  expectOlder(repository, { good, bad }, ends);

  const scratch = mkdtempSync(join(tmpdir(), 'hotfire-bisect-'));
  const tree = join(scratch, 'tree');
  const copy = join(scratch, basename(file));
  copyFileSync(file, copy);
  try {
    git(repository, 'worktree', 'add', '--detach', tree, ends.bad);
    linkLibraries(repository, tree);
    const judge = (): Mark => {
      const mark = play(tree, copy, join(scratch, 'report'));
      process.stdout.write(`${mark.padEnd(4)}  ${git(tree, 'log', '-1', '--format=%h %s')}`);
      return mark;
    };
    if (!isAsTold('bad', judge(), bad)) return 2;
    git(tree, 'checkout', '--quiet', ends.good);
    if (!isAsTold('good', judge(), good)) return 2;
    git(tree, 'bisect', 'start', ends.bad, ends.good);
    return search((mark) => git(tree, 'bisect', mark), judge);
  } finally {
    spawnSync('git', ['worktree', 'remove', '--force', tree], { cwd: repository });
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Ends that are swapped or the same are a slip; of branches that parted git tests where they did. */
function expectOlder(repository: string, names: Ends, { good, bad }: Ends): void {
  const { status } = spawnSync('git', ['merge-base', '--is-ancestor', bad, good], { cwd: repository });
  if (status !== 0) return;
  const hint =
    good === bad
      ? 'both are the same commit; give an older one on which it held as --good'
      : 'good is not an ancestor of bad, it is the other way round; swap them';
  throw new UsageError(`expected --good to be older than --bad, got ${names.good} and ${names.bad}: ${hint}`);
}

function isAsTold(told: Mark, mark: Mark, revision: string): boolean {
  if (mark === told) return true;
  process.stdout.write(`${revision} was said to be ${told}, but is ${mark}: nothing to search between\n`);
  return false;
}

/** Asks git for the next candidate until it names the first bad commit. */
function search(tell: (mark: Mark) => string, judge: () => Mark): number {
  for (;;) {
    const said = tell(judge());
    const found = /^([0-9a-f]{40}) is the first bad commit$/m.exec(said);
    if (found !== null) {
      process.stdout.write(`\nfirst bad commit: ${said.slice(said.indexOf('commit', found[0].length)).trim()}\n`);
      return 0;
    }
    if (said.includes('only')) {
      process.stdout.write(`\n${said.trim()}\n`);
      return 2;
    }
  }
}

/** The libraries of the checkout serve every commit: an older lockfile may differ, then its commits are skipped. */
function linkLibraries(repository: string, tree: string): void {
  const libraries = join(repository, 'node_modules');
  if (existsSync(libraries)) symlinkSync(libraries, join(tree, 'node_modules'));
}

function play(tree: string, scenario: string, report: string): Mark {
  const words = ['src/cli/main.ts', 'replay', scenario, '--quiet', '--report', report];
  const { status } = spawnSync(process.execPath, words, { cwd: tree, stdio: 'ignore' });
  if (status === 0) return 'good';
  return status === 1 ? 'bad' : 'skip';
}
