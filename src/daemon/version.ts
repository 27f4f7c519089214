import { readFileSync } from 'node:fs';

/** Version of the installed package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string }; // npm packs nothing without it
  return version;
}
