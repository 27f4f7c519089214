import { SharedMemoryError } from './sharedMemory.ts';

/** `Region.gather` as a loop: for memory that is the runtime's own. Throws EINVAL for a run that is not within both, before any is copied. */
export function gatherRuns(name: string, words: Int32Array, runs: Int32Array, count: number, to: Int32Array): void {
  if (!Number.isInteger(count) || count < 0 || count * 3 > runs.length) {
    throw new SharedMemoryError(
      'EINVAL',
      'gather',
      name,
      `expected up to ${Math.floor(runs.length / 3)} runs, got ${count}`,
    );
  }
  for (let index = 0; index < count; index += 1) {
    const from = runs[index * 3] ?? 0;
    const into = runs[index * 3 + 1] ?? 0;
    const length = runs[index * 3 + 2] ?? 0;
    if (from >= 0 && into >= 0 && length >= 0 && from + length <= words.length && into + length <= to.length) continue;
    const detail = `run ${index} has ${length} words from ${from} to ${into}, expected within ${words.length} and ${to.length}`;
    throw new SharedMemoryError('EINVAL', 'gather', name, detail);
  }
  for (let index = 0; index < count; index += 1) {
    const from = runs[index * 3] ?? 0;
    const into = runs[index * 3 + 1] ?? 0;
    const length = runs[index * 3 + 2] ?? 0;
    for (let word = 0; word < length; word += 1) to[into + word] = words[from + word] ?? 0;
  }
}
