import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Build } from '../chaos/queue/card.ts';
import { packageCommit, packageVersion } from '../daemon/version.ts';
import { packageRoot } from './vocabulary.ts';

/**
 * What this process would play runs with. HOTFIRE_COMMIT tells the commit where there is no `.git`, as in an image; an
 * installed package is known by its version. Changes that are not committed count: a hash of them stands behind the commit.
 */
export function campaignBuild(environment: NodeJS.ProcessEnv): Build {
  const nodeMajor = Number(process.versions.node.split('.')[0]);
  const told = environment.HOTFIRE_COMMIT;
  if (told !== undefined && told !== '') return { commit: told, nodeMajor };
  const commit = packageCommit();
  if (commit === 'unknown') return { commit: `v${packageVersion()}`, nodeMajor };
  return { commit: commit + changesSince(), nodeMajor };
}

/** `+` and a hash of what differs from the commit in what runs depend on; empty when nothing does. */
function changesSince(): string {
  const paths = ['src', 'alerts', 'package-lock.json'];
  const git = (...words: string[]) =>
    execFileSync('git', [...words, '--', ...paths], {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 2 ** 20,
    });
  const changes = git('diff', 'HEAD') + git('ls-files', '--others', '--exclude-standard');
  return changes === '' ? '' : `+${createHash('sha256').update(changes).digest('hex').slice(0, 8)}`;
}
