import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // what the flag gives

/** Bytes of buffers that something still holds. */
export async function heldBufferBytes(): Promise<number> {
  collect();
  // What a collection found is given back beside the program.
  await new Promise((resolve) => setTimeout(resolve, 20));
  collect();
  return process.memoryUsage().arrayBuffers;
}
