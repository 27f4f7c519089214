import type { ShmAddon } from '../addon.ts';
import { argumentError, checkInteger } from './arguments.ts';
import { type Kernel, systemError } from './kernel.ts';

/** Processors that a mask has room for; Linux's own limit on x64. */
const processors = 8192;

const memlock = 8; // prlimit(2): RLIMIT_MEMLOCK
const setSlack = 29; // prctl(2): PR_SET_TIMERSLACK
const getSlack = 30;

/** What the machine gives a thread and a process, as `native/tuning.cc` tells and sets it. */
export function createThreadCalls(
  kernel: Kernel,
): Pick<ShmAddon, 'memlockLimit' | 'threadId' | 'getAffinity' | 'setAffinity' | 'getTimerSlack' | 'setTimerSlack'> {
  const { call, errno, numbers } = kernel;
  const scratch = kernel.allocate(processors / 8);
  const { address, words } = scratch;
  const limits = new BigUint64Array(words.buffer, 0, 2);
  const run = (name: string, number: number, a: number, b: number, c: number, d: number): number => {
    const result = call(number, a, b, c, d, 0, 0);
    if (result === -1) throw systemError(errno(), name);
    return result;
  };

  return {
    memlockLimit() {
      run('getrlimit', numbers.prlimit64, 0, memlock, 0, address);
      const limit = (value = 0n): number => (value === 2n ** 64n - 1n ? -1 : Number(value));
      return { soft: limit(limits[0]), hard: limit(limits[1]) };
    },
    threadId: () => run('gettid', numbers.gettid, 0, 0, 0, 0),
    getAffinity() {
      words.fill(0);
      run('sched_getaffinity', numbers.sched_getaffinity, 0, processors / 8, address, 0);
      const cpus: number[] = [];
      for (let cpu = 0; cpu < processors; cpu++) {
        if ((((words[cpu >> 5] ?? 0) >>> (cpu & 31)) & 1) === 1) cpus.push(cpu);
      }
      return cpus;
    },
    setAffinity(cpus) {
      if (!Array.isArray(cpus)) throw argumentError('ERR_INVALID_ARG_TYPE', 'cpus: expected an array of numbers');
      if (cpus.length === 0 || cpus.length > processors) {
        throw argumentError('ERR_OUT_OF_RANGE', `cpus: expected 1..${processors} processors`);
      }
      words.fill(0);
      for (const cpu of cpus) {
        if (!Number.isInteger(cpu) || cpu < 0 || cpu >= processors) {
          throw argumentError('ERR_OUT_OF_RANGE', `cpus: expected integers of 0..${processors - 1}`);
        }
        words[cpu >> 5] = (words[cpu >> 5] ?? 0) | (1 << (cpu & 31));
      }
      run('sched_setaffinity', numbers.sched_setaffinity, 0, processors / 8, address, 0);
    },
    getTimerSlack: () => run('PR_GET_TIMERSLACK', numbers.prctl, getSlack, 0, 0, 0),
    setTimerSlack(ns) {
      checkInteger('ns', ns, 1, 1_000_000_000);
      run('PR_SET_TIMERSLACK', numbers.prctl, setSlack, ns, 0, 0);
    },
  };
}
