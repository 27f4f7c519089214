import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Version of the installed package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string }; // npm packs nothing without it
  return version;
}

/** What HOTFIRE_COMMIT says, as in an image; else the commit of a checkout; `unknown` for an installed package. */
export function packageCommit(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.HOTFIRE_COMMIT || (commitOfCheckout() ?? 'unknown');
}

function commitOfCheckout(): string | undefined {
  try {
    const [commit, prefix] = execFileSync('git', ['rev-parse', 'HEAD', '--show-prefix'], {
      cwd: new URL('../../', import.meta.url),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2_000,
    }).split('\n');
    // A prefix means that the work tree around the package belongs to somebody else.
    return prefix === '' ? commit : undefined;
  } catch {
    return undefined;
  }
}
