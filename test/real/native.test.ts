import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { loadFfi } from '../../src/real/shm/ffi/load.ts';
import { inMemoryDirectory } from './shm/memoryDirectory.ts';

const root = resolve(import.meta.dirname, '../..');

async function inScratch(body: (directory: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-native-'));
  try {
    body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What a process with this environment says of the addon, and which adapters its host goes by. */
function loaded(environment: NodeJS.ProcessEnv): {
  native: { reason?: string };
  adapters: Record<string, string>;
  backing: string;
} {
  const program = `
    import { registerHooks } from 'node:module';
    import { loadNative } from ${JSON.stringify(join(root, 'src/real/native.ts'))};
    import { adaptersInForce } from ${JSON.stringify(join(root, 'src/real/adapters.ts'))};
    import { createRealHost } from ${JSON.stringify(join(root, 'src/real/host.ts'))};
    const specifierOf = { koffi: process.env.HOTFIRE_TEST_KOFFI ?? 'koffi' };
    registerHooks({ resolve: (specifier, context, next) => next(specifierOf[specifier] ?? specifier, context) });
    const native = loadNative();
    const host = createRealHost({ name: 'here' });
    const name = 'hotfire-test-' + process.pid;
    const region = await host.shm.open(name, 64, { mode: 'create' });
    await host.shm.remove(name);
    console.log(JSON.stringify({ native: 'addon' in native ? {} : native, adapters: adaptersInForce(), backing: region.backing }));
    process.exit(0);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, HOTFIRE_NATIVE: '', HOTFIRE_FFI: 'off', ...environment },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

test('without the addon the portable adapters work, and it is told why: off, not there, not built, damaged', () =>
  inScratch((directory) => {
    const off = loaded({ HOTFIRE_NATIVE: 'off' });
    expect(off).toEqual({
      native: { reason: 'HOTFIRE_NATIVE=off' },
      adapters: {
        disk: expect.stringMatching(/^node:fs \(.*HOTFIRE_NATIVE=off/),
        sharedMemory: 'within the process (no native addon: HOTFIRE_NATIVE=off; no FFI: HOTFIRE_FFI=off)',
      },
      backing: 'sab',
    });
    const from = (): string | undefined => loaded({ HOTFIRE_NATIVE_DIR: directory }).native.reason;
    expect(from()).toMatch(/^Cannot find module/);
    writeFileSync(join(directory, 'hotfire.node'), 'no library');
    expect(from()).toMatch(/hotfire\.node/);
    rmSync(join(directory, 'hotfire.node'));
    writeFileSync(join(directory, 'why-not.txt'), 'no C++ compiler: tried g++\nand more\n');
    expect(from()).toBe('not built: no C++ compiler: tried g++');
  }));

test('without the addon FFI maps what others see, or it is told why not: not installed, damaged', (context) =>
  inMemoryDirectory(async (directory) => {
    const by = (environment: NodeJS.ProcessEnv) =>
      loaded({ HOTFIRE_NATIVE: 'off', HOTFIRE_FFI: '', XDG_RUNTIME_DIR: directory, ...environment });
    const without = by({ HOTFIRE_TEST_KOFFI: 'no-such-package' });
    expect([without.adapters.sharedMemory, without.backing]).toEqual([
      'within the process (no native addon: HOTFIRE_NATIVE=off; no FFI: the package koffi is not installed)',
      'sab',
    ]);
    // A package that is there and is not what it should be.
    const other = by({ HOTFIRE_TEST_KOFFI: 'zod' });
    expect(other.adapters.sharedMemory).toMatch(/no FFI: koffi: .+\)$/);
    const ffi = loadFfi();
    if ('reason' in ffi) return context.skip(`no FFI: ${ffi.reason}`);
    const { adapters, backing } = by({});
    expect([adapters.sharedMemory, backing]).toEqual(['mapped by FFI (no native addon: HOTFIRE_NATIVE=off)', 'tmpfs']);
  }));

test('an installation without a compiler, or with one that fails, succeeds and leaves the reason', () =>
  inScratch((directory) => {
    cpSync(join(root, 'native'), join(directory, 'native'), {
      recursive: true,
      filter: (path) => !/[/\\]build[^/\\]*$/.test(path),
    });
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    const install = (environment: NodeJS.ProcessEnv, ...words: string[]) =>
      spawnSync(process.execPath, [join(directory, 'native/install.mjs'), ...words], {
        encoding: 'utf8',
        env: { ...process.env, HOTFIRE_NATIVE: '', ...environment },
      });
    const reason = (): string => readFileSync(join(directory, 'native/build/why-not.txt'), 'utf8');

    const bare = install({ PATH: join(directory, 'nothing'), CXX: '' });
    expect([bare.status, bare.stdout.split('\n').length, bare.stderr]).toEqual([0, 2, '']);
    expect(bare.stdout).toMatch(/^hotfire: the native addon was not built \(no C\+\+ compiler: tried g\+\+/);
    expect(reason()).toMatch(/^no C\+\+ compiler/);

    // It says its version and compiles nothing.
    writeFileSync(
      join(directory, 'broken'),
      '#!/bin/sh\n[ "$1" = --version ] || { echo "error: what is C++?"; exit 3; }\n',
      { mode: 0o755 },
    );
    expect(install({ CXX: join(directory, 'broken') }).status).toBe(0);
    expect(reason()).toMatch(/ended with exit code 3\nerror: what is C\+\+\?/);
    expect(existsSync(join(directory, 'native/build/hotfire.node'))).toBe(false);
    expect(install({ CXX: join(directory, 'broken') }, '--strict').status).toBe(1);
  }));
