import { z } from 'zod';
import type { Machine } from '../sim/machine.ts';
import { defineFault, healAll, machinesOf } from './define.ts';
import { type FaultDefinition, FaultError } from './fault.ts';
import { crash, restart, restartText } from './process.ts';
import { participantsOf, tellDamage } from './sharedMemoryControl.ts';
import { durationMs, formatDuration, percent } from './units.ts';

/** Words for the messages. */
const names = (targets: readonly string[]): string => targets.join(', ');

const crashAtStep = defineFault({
  name: 'shm.crash-at-step',
  summary: 'The process dies exactly before its n-th access of shared memory from now on, or its n-th at one place.',
  schema: z.strictObject({
    ...restart,
    steps: z.int().min(1).max(1_000_000).prefault(1).describe('which access, counted from the fault'),
    point: z.int().min(1).optional().describe('number of the place in the code; only accesses there are counted'),
  }),
  describe: (p, targets) =>
    `${names(targets)} dies before access ${p.steps} of shared memory${p.point === undefined ? '' : ` at place ${p.point}`}${restartText(p.restart)}`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map((machine) => {
        const watched = machine.process;
        if (watched === undefined) return () => {};
        let left = p.steps;
        let back: (() => void | Promise<void>) | undefined;
        const before = watched.onStep;
        watched.onStep = (point) => {
          before?.(point);
          if (p.point !== undefined && point !== p.point) return;
          left -= 1;
          if (left > 0) return;
          watched.onStep = before;
          back = crash({ ...context, targets: [machine.name] }, p.restart, () => {
            context.world.trace.fault('crash at step', watched.traceName, String(point));
            machine.kill(`killed before an access of shared memory, at place ${point}`);
          });
        };
        return () => {
          watched.onStep = before;
          void back?.();
        };
      }),
    ),
});

const stall = {
  cause: z
    .enum(['dependency', 'process'])
    .prefault('dependency')
    .describe('what hangs: something else that it needs, whoever runs; or this process, until it is killed'),
};

const stallConsumer = defineFault({
  name: 'shm.stall-consumer',
  summary: 'A consumer stays attached and alive, and takes nothing: it hangs, or waits for something else.',
  schema: z.strictObject(stall),
  describe: ({ cause }, targets) => `${names(targets)} takes no messages${cause === 'process' ? ': it hangs' : ''}`,
  apply: (context, { cause }) =>
    healAll(machinesOf(context).map(({ name }) => participantsOf(context).stall(name, cause === 'process'))),
});

const stallProducer = defineFault({
  name: 'shm.stall-producer',
  summary: 'A producer stays attached and alive, and publishes nothing.',
  schema: z.strictObject(stall),
  describe: ({ cause }, targets) => `${names(targets)} publishes nothing${cause === 'process' ? ': it hangs' : ''}`,
  apply: (context, { cause }) =>
    healAll(machinesOf(context).map(({ name }) => participantsOf(context).stall(name, cause === 'process'))),
});

const stallRouter = defineFault({
  name: 'shm.stall-router',
  summary:
    "The router's thread stands still, and its process answers: a debugger, a core that another thread does not give back.",
  schema: z.strictObject({}),
  describe: (_, targets) => `the router's thread of ${names(targets)} stands still`,
  apply: (context) => healAll(machinesOf(context).map(({ name }) => participantsOf(context).stallRouter(name))),
});

const routerJitter = defineFault({
  name: 'shm.router-jitter',
  summary:
    "Other work takes the router's core again and again, at random; not from a router that has a core of its own.",
  schema: z.strictObject({
    length: durationMs.prefault(200).describe('how long it takes the core'),
    every: durationMs.prefault(2_000).describe('time between two of them, half to one and a half of it'),
  }),
  describe: (p, targets) =>
    `other work takes the core of the router of ${names(targets)} for ${formatDuration(p.length)}, about every ${formatDuration(p.every)}`,
  apply: (context, { length, every }) => {
    const { scheduler, random } = context.world;
    const control = participantsOf(context);
    return healAll(
      machinesOf(context).map(({ name }) => {
        const stream = random.stream(`shm/router-jitter/${name}`);
        let goOn = (): void => {};
        const next = (): ReturnType<typeof scheduler.after> =>
          scheduler.after(every * (0.5 + stream.float()), 'router jitter', undefined, () => {
            if (!control.hasOwnCore(name)) {
              goOn();
              goOn = control.stallRouter(name);
              scheduler.after(length, 'router jitter ends', undefined, goOn);
            }
            event = next();
          });
        let event = next();
        return () => {
          scheduler.cancel(event);
          goOn();
        };
      }),
    );
  },
});

const hugePagesExhausted = defineFault({
  name: 'shm.hugepages-exhausted',
  summary: 'No huge page is free: memory that is made from now on has small ones.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${names(targets)} has no free huge page`,
  apply: (context) => troubled(machinesOf(context), 'noHugePages', true),
});

const mlockDenied = defineFault({
  name: 'shm.mlock-denied',
  summary: 'The kernel locks no pages from now on: the limit of locked memory is too low.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${names(targets)} may not lock memory`,
  apply: (context) => troubled(machinesOf(context), 'noMemoryLock', true),
});

const share = { percent: percent.prefault(100).describe('how many of them') };

const wakeLost = defineFault({
  name: 'shm.wake-lost',
  summary: 'Wakes reach nobody: sleepers go on only when their own time is over.',
  schema: z.strictObject(share),
  describe: (p, targets) => `${p.percent} % of the wakes on ${names(targets)} are lost`,
  apply: (context, p) => troubled(machinesOf(context), 'wakesLost', p.percent / 100),
});

const wakeSpurious = defineFault({
  name: 'shm.wake-spurious',
  summary: 'Waits end although nobody has woken them, as a futex may.',
  schema: z.strictObject(share),
  describe: (p, targets) => `${p.percent} % of the waits on ${names(targets)} end for nothing`,
  apply: (context, p) => troubled(machinesOf(context), 'waitsSpurious', p.percent / 100),
});

type Troubles = Machine['sharedMemory']['troubles'];

function troubled<K extends keyof Troubles>(machines: readonly Machine[], what: K, value: Troubles[K]): () => void {
  const undo = machines.map(({ sharedMemory: { troubles } }) => {
    const before = troubles[what];
    troubles[what] = value;
    return () => {
      troubles[what] = before;
    };
  });
  return () => {
    for (const one of undo.reverse()) one();
  };
}

const region = z.string().prefault('bus').describe('name of the region');

const staleRegion = defineFault({
  name: 'shm.stale-region',
  summary: 'The regions of the machine are of an earlier boot, whose processes are gone.',
  schema: z.strictObject({}),
  describe: (_, targets) => `the memory of ${names(targets)} is of an earlier boot`,
  apply: (context) => {
    for (const { sharedMemory } of machinesOf(context)) sharedMemory.age();
    return undefined;
  },
});

const truncatedRegion = defineFault({
  name: 'shm.truncated-region',
  summary: 'A region under its name has only its first bytes.',
  schema: z.strictObject({ region, bytes: z.int().min(4).multipleOf(4).prefault(8_192).describe('that are left') }),
  describe: (p, targets) => `region ${p.region} of ${names(targets)} has only ${p.bytes} bytes`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map(({ name, sharedMemory }) => {
        const memory = sharedMemory.memoryOf(p.region);
        if (memory === undefined) throw new FaultError(`region ${p.region} of ${name}: ${there(sharedMemory.names)}`);
        return sharedMemory.replace(p.region, new Uint8Array(memory.slice(0, p.bytes)));
      }),
    ),
});

const foreignRegion = defineFault({
  name: 'shm.foreign-region',
  summary: 'Something that is no region of this program stands under its name.',
  schema: z.strictObject({ region, bytes: z.int().min(4).multipleOf(4).prefault(65_536) }),
  describe: (p, targets) => `something else is called ${p.region} on ${names(targets)}`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map(({ name, sharedMemory }) =>
        sharedMemory.replace(p.region, context.world.random.stream(`shm/foreign/${name}`).bytes(p.bytes)),
      ),
    ),
});

function there(regions: readonly string[]): string {
  return `expected one of ${regions.join(', ') || 'none'}`;
}

const zombie = defineFault({
  name: 'shm.zombie',
  summary:
    'Locks of a process outlive it: a child has inherited the descriptor, or a thread is still exiting. Healed when that one ends.',
  schema: z.strictObject({}),
  describe: (_, targets) => `the locks of ${names(targets)} outlive their process`,
  apply: (context) => healAll(machinesOf(context).map(({ name, sharedMemory }) => sharedMemory.inheritLocks(name))),
});

const lockLost = defineFault({
  name: 'shm.lock-lost',
  summary: 'A living process has its locks no more: somebody has closed its descriptor.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${names(targets)} lives and has lost its locks`,
  apply: (context) => {
    for (const { process, sharedMemory } of machinesOf(context)) {
      if (process !== undefined) sharedMemory.loseLocks(process);
    }
    return undefined;
  },
});

const pidReuse = defineFault({
  name: 'shm.pid-reuse',
  summary: 'Another process, which knows nothing of the region, gets the pid of the last one that died.',
  schema: z.strictObject({}),
  describe: (_, targets) => `another process has the pid that ${names(targets)} had`,
  apply: (context) =>
    healAll(
      machinesOf(context).map((machine) => {
        const pid = machine.pidOf(machine.incarnation);
        const end = machine.sharedMemory.occupyPid(pid);
        if (end === false) throw new FaultError(`pid ${pid} of ${machine.name}: expected a dead process, it runs`);
        return end;
      }),
    ),
});

const corruptWord = defineFault({
  name: 'shm.corrupt-word',
  summary: 'A bit of a word in a region is flipped.',
  schema: z.strictObject({
    region,
    word: z.union([z.int().min(0), z.string()]).describe('number of the word, or its name on this stand'),
    bit: z.int().min(0).max(31).prefault(29),
  }),
  describe: (p, targets) => `bit ${p.bit} of word ${p.word} of region ${p.region} on ${names(targets)} is flipped`,
  apply: (context, p) => {
    for (const { name, sharedMemory } of machinesOf(context)) {
      const memory = sharedMemory.memoryOf(p.region);
      if (memory === undefined) throw new FaultError(`region ${p.region} of ${name}: ${there(sharedMemory.names)}`);
      const words = new Int32Array(memory);
      const word = typeof p.word === 'number' ? p.word : participantsOf(context).wordOf(memory, p.word);
      if (!(word < words.length)) {
        throw new FaultError(`word ${p.word} of region ${p.region}: expected one of 0 to ${words.length - 1}`);
      }
      tellDamage(context, memory);
      Atomics.xor(words, word, 1 << p.bit);
    }
    return undefined;
  },
});

const tornCopy = defineFault({
  name: 'shm.torn-copy',
  summary:
    'While a consumer copies, the router goes on: what it copied may be evicted, and its slot written anew, before it claims it.',
  schema: z.strictObject(share),
  describe: (p, targets) => `the router goes on while ${names(targets)} copies, ${p.percent} % of the time`,
  apply: (context, p) =>
    healAll(machinesOf(context).map(({ name }) => participantsOf(context).interrupt(name, p.percent / 100))),
});

const preempted = defineFault({
  name: 'shm.preempted',
  summary:
    'A participant, or a router, loses its core between two accesses of shared memory, at most every millisecond: a producer sends and the router goes on meanwhile.',
  schema: z.strictObject({ percent: percent.prefault(10).describe('how many of its accesses') }),
  describe: (p, targets) => `others go on between the accesses of ${names(targets)}, before ${p.percent} % of them`,
  apply: (context, p) =>
    healAll(machinesOf(context).map(({ name }) => participantsOf(context).preempt(name, p.percent / 100))),
});

/** Every fault of shared memory. */
export const sharedMemoryFaults: readonly FaultDefinition[] = [
  crashAtStep,
  stallConsumer,
  stallProducer,
  stallRouter,
  routerJitter,
  hugePagesExhausted,
  mlockDenied,
  staleRegion,
  truncatedRegion,
  foreignRegion,
  wakeLost,
  wakeSpurious,
  zombie,
  pidReuse,
  lockLost,
  corruptWord,
  tornCopy,
  preempted,
];
