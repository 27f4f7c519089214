/**
 * `npm run build`: emits `dist/` (JavaScript and types) from `src/`, copies the assets that are read at run time, and marks the
 * bin as executable.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const compiler = join(root, 'node_modules/.bin/tsc');

// npm runs this when it installs a clone, also where optional or development packages are left out, and the compiler with them. That is no
// failure of the installation: the sources run as they are.
const isInstallation = process.env.npm_command === 'ci' || process.env.npm_command === 'install';
if (isInstallation && spawnSync(compiler, ['--version']).status !== 0) {
  console.log('hotfire: dist/ was not built (the TypeScript compiler is not installed); run src/cli/main.ts instead');
  process.exit(0);
}
rmSync(dist, { recursive: true, force: true });

const { status } = spawnSync(compiler, ['--project', 'build/tsconfig.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

/** Files beside the sources that the program reads: the report's page, for one. */
for (const asset of globSync('**/*.{html,css,js}', { cwd: join(root, 'src') })) {
  const target = join(dist, asset);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, 'src', asset), target);
}
chmodSync(join(dist, 'cli/main.js'), 0o755);
console.log(`built ${dist}`);
