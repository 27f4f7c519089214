import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { compiled, hasProgram, inScratch } from '../indexbus/support/compiler.ts';
import { describeNative } from './needsNative.ts';

/** Takes the place of libc's: no thread more while the file named by ARMED is there, as at a limit on processes. */
const noThreads = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
typedef int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data) {
  static create real;
  if (real == 0) real = (create)dlsym(RTLD_NEXT, "pthread_create");
  return access(getenv("ARMED"), F_OK) == 0 ? EAGAIN : real(thread, attributes, run, data);
}
`;

const program = `
import { rmSync, writeFileSync } from 'node:fs';
import { loadNative } from '${resolve(import.meta.dirname, '../../../src/real/native.ts')}';
const { addon } = loadNative();
const words = new Int32Array(addon.mapMemory(addon.createMemfd('words', false), 4096, true, -1, false).buffer);
const wait = async () => {
  try {
    return await addon.futexWaitAsync(words, 0, 0, 10);
  } catch (error) {
    return error.code;
  }
};
const said = [];
writeFileSync(process.env.ARMED, '');
said.push(await wait(), await wait());
rmSync(process.env.ARMED);
said.push(await wait());
console.log(JSON.stringify(said));
`;

describeNative('where no thread can be made', () => {
  test.skipIf(!hasProgram('gcc', '--version'))('a wait is refused with the reason, and the next one works (gcc)', () =>
    inScratch((directory) => {
      const source = join(directory, 'noThreads.c');
      writeFileSync(source, noThreads);
      writeFileSync(join(directory, 'program.mjs'), program);
      const library = compiled(source, directory, '-shared', '-fPIC');
      // What is preloaded already comes first: AddressSanitizer (`npm run native:asan`) insists on it.
      const preloaded = [process.env.LD_PRELOAD ?? '', library].join(' ').trim();
      const env = { ...process.env, LD_PRELOAD: preloaded, ARMED: join(directory, 'armed') };
      const said = execFileSync(process.execPath, [join(directory, 'program.mjs')], { env, encoding: 'utf8' });
      expect(JSON.parse(said)).toEqual(['EAGAIN', 'EAGAIN', 2]);
    }),
  );
});
