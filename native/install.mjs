/**
 * Builds the addon; npm runs it on installation. Plain JavaScript: it also runs on Nodes without type stripping, and below
 * `node_modules`, where Node strips no types. It calls the compiler itself: the headers come from npm packages, so nothing is
 * downloaded. A failure is no failure of the installation: the reason goes to `build/why-not.txt` and everything runs on the
 * portable adapters.
 *
 * Usage: node native/install.mjs [--asan] [--strict]
 *   --asan    with AddressSanitizer, into `build-asan`
 *   --strict  a failure ends with exit code 1
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const asan = process.argv.includes('--asan');
const target = join(here, asan ? 'build-asan' : 'build');
const addon = join(target, 'hotfire.node');
const whyNot = join(target, 'why-not.txt');

try {
  mkdirSync(target, { recursive: true });
  await build();
  rmSync(whyNot, { force: true });
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  console.log(`hotfire: the native addon was not built (${reason.split('\n')[0]}); the portable adapters are used`);
  try {
    rmSync(addon, { force: true });
    writeFileSync(whyNot, `${reason}\n`);
  } catch {
    // A directory that cannot be written has no addon in it either, and that is what the loader will say.
  }
  if (process.argv.includes('--strict')) process.exitCode = 1;
}

async function build() {
  if (process.env.HOTFIRE_NATIVE === 'off') throw new Error('HOTFIRE_NATIVE=off at installation');
  if (process.platform !== 'linux') throw new Error(`the addon is for Linux, this is ${process.platform}`);
  const compiler = findCompiler();
  const require = createRequire(import.meta.url);
  const includes = [
    join(dirname(require.resolve('node-api-headers/package.json')), 'include'),
    dirname(require.resolve('node-addon-api/package.json')),
  ];
  // Warnings are on for our files, not for the headers of others.
  const flags = [
    ...['-std=c++17', '-fPIC', '-fno-exceptions', '-fvisibility=hidden', '-pthread', '-Wall', '-Wextra', '-g'],
    ...['-DNAPI_VERSION=9', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED', '-D_GNU_SOURCE'],
    ...(asan ? ['-O1', '-fsanitize=address', '-fno-omit-frame-pointer'] : ['-O2']),
    ...includes.flatMap((path) => ['-isystem', path]),
  ];
  const sources = readdirSync(here).filter((name) => name.endsWith('.cc'));
  const shared = [...readdirSync(here).filter((name) => name.endsWith('.h')), 'install.mjs'];
  const sharedTime = Math.max(...shared.map((name) => modified(join(here, name))));

  const queue = sources.filter((name) => {
    const object = modified(objectOf(name));
    return object < modified(join(here, name)) || object < sharedTime;
  });
  if (queue.length === 0 && sources.every((name) => modified(objectOf(name)) <= modified(addon))) return;

  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      // Under a name of this process, then renamed: two builds at once do not read each other's halves.
      const fresh = `${objectOf(name)}.${process.pid}`;
      await run(compiler, [...flags, '-c', join(here, name), '-o', fresh]);
      renameSync(fresh, objectOf(name));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));

  const fresh = join(target, `hotfire.${process.pid}.node`);
  try {
    // nodelete: Node 24 unloads an addon with the last thread that loaded it, be it a worker, and buffers over our mappings are collected
    // after that, by code that would be gone.
    await run(compiler, [
      ...['-shared', '-pthread', '-Wl,-z,nodelete', ...(asan ? ['-fsanitize=address'] : []), '-o', fresh],
      ...sources.map(objectOf),
      '-ldl',
    ]);
    // It is not enough that it compiles: a library that this machine's Node cannot load would fail only later.
    if (!asan) await run(process.execPath, ['-e', 'require(process.argv[1])', fresh]);
    renameSync(fresh, addon);
  } finally {
    rmSync(fresh, { force: true });
  }
}

function objectOf(source) {
  return join(target, source.replace(/\.cc$/, '.o'));
}

/** Milliseconds at which a file was last written; 0 if there is none. */
function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function findCompiler() {
  const candidates = [process.env.CXX, 'g++', 'c++', 'clang++'].filter((name) => name !== undefined && name !== '');
  for (const name of candidates) {
    if (spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  throw new Error(`no C++ compiler: tried ${candidates.join(', ')}`);
}

/** Runs a program to its end; rejects with what it said. */
function run(program, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const listen = (chunk) => {
      said = (said + chunk).slice(-20_000);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) {
        if (said !== '') process.stderr.write(said);
        resolve(undefined);
        return;
      }
      reject(new Error(`${program} ended with ${signal ?? `exit code ${status}`}\n${said}`));
    });
  });
}
