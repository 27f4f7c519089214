/**
 * A participant in a process of its own. Usage: participant.ts DIRECTORY NAME BYTES [BACKING]. Opens (or makes) the region, says `ready`, then
 * carries out one command per line of standard input and answers each with a line.
 */
import { createInterface } from 'node:readline';
import type { RegionBacking } from '../../../src/host/sharedMemory.ts';
import { loadShm } from '../../../src/real/shm/load.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';

const [directory = '', name = '', bytes = '', backing] = process.argv.slice(2);
const found = loadShm();
if (found.by === 'nobody') throw new Error(found.reason);
const shm = createMappedSharedMemory(found.shm, { directory });
// The test names backings that exist.
const region = await shm.open(name, Number(bytes), {
  mode: 'create',
  ...(backing === undefined ? {} : { backing: backing as RegionBacking }),
});
const say = (answer: unknown): void => console.log(JSON.stringify(answer));

say({ ready: shm.identity(), backing: region.backing, by: found.by });
for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', ...words] = line.split(' ');
  const [first = 0, second = 0, third = 0] = words.map(Number);
  if (command === 'lock') say(region.lock(first));
  else if (command === 'store') say(Atomics.store(region.words, first, second));
  else if (command === 'load') say(Atomics.load(region.words, first));
  else if (command === 'wait') say(region.wait(first, second, third));
  else if (command === 'waitAsync') void region.waitAsync(first, second, third).then(say);
  else if (command === 'wake') say(region.wake(first, second));
  else if (command === 'pong') {
    // Answers each change of word 0 with the same value in word 1.
    for (let round = 1; round <= first; round++) {
      while (Atomics.load(region.words, 0) < round) region.wait(0, round - 1, 1000);
      Atomics.store(region.words, 1, round);
      region.wake(1, 1);
    }
    say('done');
  } else throw new Error(`no command ${command}`);
}
