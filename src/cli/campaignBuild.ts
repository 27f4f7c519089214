import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Build } from '../chaos/queue/card.ts';
import { packageCommit, packageVersion } from '../daemon/version.ts';
import { packageRoot } from './vocabulary.ts';

/**
 * What this process would play runs with. HOTFIRE_COMMIT tells the commit, as in an image, and wins over a checkout; an
 * installed package is known by its version. Changes that are not committed count: a hash of them stands behind the commit.
 */
export function campaignBuild(environment: NodeJS.ProcessEnv): Build {
  const nodeMajor = Number(process.versions.node.split('.')[0]);
  const commit = packageCommit(environment);
  if (commit === 'unknown') return { commit: `v${packageVersion()}`, nodeMajor };
  const isTold = commit === environment.HOTFIRE_COMMIT;
  return { commit: isTold ? commit : commit + changesSince(packageRoot), nodeMajor };
}

/**
 * `+` and a hash of what differs from the commit in what runs depend on, also in files that git does not know yet; empty
 * when nothing does.
 *
 * @param checkout a directory of its own git, with a commit
 */
export function changesSince(checkout: URL): string {
  const paths = ['src', 'alerts', 'package-lock.json'];
  const git = (...words: string[]) =>
    execFileSync('git', [...words, '--', ...paths], {
      cwd: checkout,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 2 ** 20,
    });
  const diff = git('diff', '--binary', 'HEAD');
  const added = git('ls-files', '-z', '--others', '--exclude-standard').split('\0').slice(0, -1);
  if (diff === '' && added.length === 0) return '';
  const hash = createHash('sha256').update(diff);
  for (const file of added) {
    const bytes = readFileSync(join(fileURLToPath(checkout), file));
    hash.update(`\0${file}\0${bytes.length}\0`).update(bytes);
  }
  return `+${hash.digest('hex').slice(0, 8)}`;
}
