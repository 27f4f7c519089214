import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { asNobody, source } from './asNobody.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

/** nogroup, which nobody is in. */
const shared = 65_534;

/** What a module prints that runs as a user without rights, with `shm` over a directory that is for all users, as /dev/shm is. */
function amongUsers(context: TestContext, directory: string, code: string): unknown {
  chmodSync(directory, 0o1777);
  const ran = asNobody(`
    import { readdirSync } from 'node:fs';
    import { loadShm } from ${JSON.stringify(join(source, 'real/shm/load.ts'))};
    import { createMappedSharedMemory } from ${JSON.stringify(join(source, 'real/shm/mapped.ts'))};
    const directory = ${JSON.stringify(directory)};
    const left = [];
    const shm = createMappedSharedMemory(loadShm().shm, { directory, onLeft: (path) => left.push(path) });
    const told = (call) => call.then(() => 'no error', (error) => error.code);
    const files = () => readdirSync(directory).filter((file) => !file.endsWith('.lock')).sort();
    ${code}`);
  if (ran === undefined) return context.skip('this user cannot become another, or that one cannot read this checkout');
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout);
}

describeMapped('memory that another one has left', (addon) => {
  test('and that this user may not remove changes no answer: what was asked has happened, and the file is told of', (context) =>
    inMemoryDirectory(async (directory) => {
      writeFileSync(join(directory, 'ring.7'), 'of a name whose .json was removed');
      const said = amongUsers(
        context,
        directory,
        `
        const open = (name) => told(shm.open(name, 4096, { mode: 'create-new', backing: 'tmpfs' }));
        const said = [await open('ring'), await open('built'), await told(shm.rename('ring', 'former')), files()];
        said.push(await told(shm.rename('built', 'ring')), await told(shm.remove('former')), files(), left);
        console.log(JSON.stringify(said));`,
      );
      const done = 'no error';
      const stray = join(directory, 'ring.7');
      expect(said).toEqual([
        ...[done, done, done, ['built.1', 'built.json', 'former.1', 'former.json', 'ring.7']],
        ...[done, done, ['ring.1', 'ring.7', 'ring.json'], [stray, stray, stray]],
      ]);
    }));

  test('is removed as far as it can be, whatever of it cannot', () =>
    inMemoryDirectory(async (directory) => {
      // Not even root removes a directory as a file.
      mkdirSync(join(directory, 'ring.3'));
      for (const file of ['ring.2', 'ring.4']) writeFileSync(join(directory, file), '');
      const left: string[] = [];
      const shm = createMappedSharedMemory(addon, { directory, onLeft: (path) => left.push(path) });
      (await shm.open('ring', 4096, { mode: 'create', backing: 'tmpfs' })).close();
      expect(readdirSync(directory).sort()).toEqual(['ring.1', 'ring.3', 'ring.json', 'ring.lock']);
      expect(left).toEqual([join(directory, 'ring.3')]);
    }));
});

describeMapped('a name that this user may not take away', (addon) => {
  test.for([{ there: false }, { there: true }])(
    'stands as it did when its change is refused, and so does the other one, there before: $there',
    ({ there }, context) =>
      inMemoryDirectory(async (directory) => {
        if (process.getuid?.() !== 0) return context.skip('this user cannot become another');
        const shm = createMappedSharedMemory(addon, { directory });
        const group = 'nogroup';
        const make = async (name: string) =>
          (await shm.open(name, 4096, { mode: 'create', backing: 'tmpfs', group })).memory;
        const memory = { ring: await make('ring'), former: there ? await make('former') : null };
        for (const file of ['former.1', 'former.json']) {
          if (existsSync(join(directory, file))) chownSync(join(directory, file), shared, shared);
        }
        const said = amongUsers(
          context,
          directory,
          `
          const group = 'nogroup';
          const memoryOf = async (name) => (await shm.stat(name, { group }))?.memory ?? null;
          const refused = await told(shm.rename('ring', 'former', { group }));
          console.log(JSON.stringify([refused, { ring: await memoryOf('ring'), former: await memoryOf('former') }, left]));`,
        );
        // A link to the memory of another one is that one's to remove.
        expect(said).toEqual(['EACCES', memory, [join(directory, there ? 'former.2' : 'former.1')]]);
      }),
  );
});
