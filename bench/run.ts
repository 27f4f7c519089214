/** `npm run bench [name …]`: runs the benchmarks one after the other, each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const all = ['sim', 'journal', 'stemedb'];
const chosen = process.argv.slice(2);
for (const name of chosen.length === 0 ? all : chosen) {
  const file = join(import.meta.dirname, `${name}.ts`);
  if (!existsSync(file)) {
    console.error(`bench: expected one of ${all.join(', ')}, got ${name}`);
    process.exit(64);
  }
  console.log(`\n== ${name}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', file], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
