import { randomFillSync } from 'node:crypto';
import { createDrawing } from '../host/drawing.ts';
import type { Random, RandomStream } from '../host/random.ts';

/** Words that are fetched from the kernel's generator at once. */
const BATCH_WORDS = 1024;

/** Randomness from the kernel. Streams of every label draw from one source: nothing can be predicted from another. */
export function createRealRandom(): Random {
  const words = new Uint32Array(BATCH_WORDS);
  let used = BATCH_WORDS;
  const source = createDrawing(() => {
    if (used === BATCH_WORDS) {
      randomFillSync(words);
      used = 0;
    }
    const word = words[used] ?? 0;
    // A draw leaves nothing of itself behind.
    words[used++] = 0;
    return word;
  });
  const streams = new Map<string, RandomStream>();
  return {
    stream(label) {
      let stream = streams.get(label);
      if (stream === undefined) {
        stream = { ...source };
        streams.set(label, stream);
      }
      return stream;
    },
  };
}
