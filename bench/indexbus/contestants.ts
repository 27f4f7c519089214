/** What is measured beside what: each moves messages of 64 bytes from one side to another, all words written and compared. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createSegment, Router, type Segment } from '../../src/engines/indexbus/index.ts';
import type { Host } from '../../src/host/host.ts';
import { type Mate, startMate } from './crew.ts';
import { messageWords, writeMessage } from './message.ts';
import { type Answer, answers, backOf, benchHost, benchSizes, everything, hopSegment, type Role } from './stage.ts';

/** What a round saw. */
export interface Round {
  /** Million messages a second. */
  readonly rate: number;
  /** Processor time of all threads that take part, in nanoseconds a message; NaN where it cannot be told. */
  readonly cpu: number;
  /** Nanoseconds one way. */
  readonly trips?: readonly [number, number, number];
}

export interface Contestant {
  readonly name: string;
  run(messages: number, batch: number): Promise<Round>;
  close(): Promise<void>;
}

/** Where the participants of a contestant run. */
export type Where = 'thread' | 'process';

/** A bus, or a hop, between participants that stay for all rounds. */
export interface Bench {
  readonly directory: string;
  /** Looks before a sleep. */
  readonly spins: number;
  /** Whether the memory is of huge pages. */
  readonly huge: boolean;
}

let made = 0;
async function segmentOf(bench: Bench, host: Host, isHop: boolean): Promise<Segment> {
  made += 1;
  const backing = bench.huge ? ('memfd' as const) : ('tmpfs' as const);
  const place = { shm: host.shm, name: `bench-${made}`, backing };
  return isHop ? hopSegment(place) : createSegment(place, benchSizes, 1);
}

function roundOf(messages: number, all: readonly Answer[]): Round {
  const last = all.at(-1);
  if (last === undefined) throw new Error('nobody answered');
  const cpu = (all.reduce((sum, it) => sum + it.cpu, 0) * 1000) / messages;
  const rate = last.messages / last.seconds / 1e6;
  return last.trips === undefined ? { rate, cpu } : { rate, cpu, trips: last.trips };
}

/** Participants of which the last one measures. */
async function crewOf(bench: Bench, name: string, where: Where, roles: readonly Role[]): Promise<Contestant> {
  const host = benchHost(bench.directory);
  const isHop = roles[0]?.startsWith('hop') === true;
  const segment = await segmentOf(bench, host, isHop);
  if (bench.huge && segment.region.tuning().every((row) => row.name !== 'hugePages' || row.applied !== 'yes')) {
    throw new Error('the memory is not of huge pages');
  }
  // The way back has a segment of its own: in one both sides would sleep on the router's word.
  const back = isHop ? await hopSegment({ shm: host.shm, name: backOf(segment.name), backing: 'tmpfs' }) : undefined;
  if (!isHop) await declare(segment, host);
  const base = { directory: bench.directory, segment: segment.name, spins: bench.spins };
  const mates: Mate[] = [];
  // A router's thread takes nobody in once it routes in earnest, so it is the first to be there and the last to be told.
  for (const role of roles) {
    const mate = await startMate(where, { ...base, role });
    if (role === 'route') void mate.order({ messages: 0, batch: 0 }).catch(() => undefined);
    mates.push(mate);
  }
  const measured = roles.filter((role) => role !== 'route');
  const asked = mates.filter((_, index) => roles[index] !== 'route');
  const lead = measured.findIndex((role) => role.includes('receive') || role === 'trip' || role === 'hop-trip');
  return {
    name,
    async run(messages, batch) {
      const told = asked.map((mate) => mate.order({ messages, batch }));
      const all = await Promise.all(told);
      const leader = all[lead];
      if (leader === undefined) throw new Error('nobody measures');
      return roundOf(messages, [...all.filter((it) => it !== leader), leader]);
    },
    async close() {
      for (const mate of mates) mate.end();
      segment.region.close();
      await host.shm.remove(segment.name);
      back?.region.close();
      if (back !== undefined) await host.shm.remove(back.name);
    },
  };
}

/** Subscriptions and topics are there before anybody joins. */
async function declare(segment: Segment, host: Host): Promise<void> {
  const router = new Router(segment, { clock: host.clock, telemetry: host.telemetry });
  for (const subscription of [everything, answers]) router.apply({ do: 'put-subscription', subscription });
  for (const name of ['there', 'back']) router.apply({ do: 'create-topic', name });
  router.close();
}

export function ownHop(bench: Bench, where: Where): Promise<Contestant> {
  return crewOf(bench, `hotfire hop, ${many[where]}`, where, ['hop-send', 'hop-receive']);
}
export function ownTwo(bench: Bench, where: Where): Promise<Contestant> {
  return crewOf(bench, `hotfire routed, two ${many[where]}`, where, ['route-and-receive', 'send']);
}
export function ownThree(bench: Bench, where: Where): Promise<Contestant> {
  return crewOf(bench, `hotfire routed, three ${many[where]}`, where, ['route', 'receive', 'send']);
}
export function ownTrip(bench: Bench, shape: 'hop' | 'two'): Promise<Contestant> {
  const roles: readonly Role[] = shape === 'hop' ? ['hop-answer', 'hop-trip'] : ['answer', 'trip'];
  return crewOf(bench, `hotfire ${shape === 'hop' ? 'hop' : 'routed'}`, 'process', roles);
}
const many = { thread: 'threads', process: 'processes' } as const;

/** Builds the program in C; a string says why it cannot be built. */
export function buildRing(directory: string): ((...words: (string | number)[]) => number[]) | string {
  const program = join(directory, 'ring');
  const compiler = process.env.CC ?? 'cc';
  const words = ['-O2', '-o', program, join(import.meta.dirname, 'ring.c'), '-lpthread', '-lrt'];
  const built = spawnSync(compiler, words, { encoding: 'utf8' });
  if (built.status !== 0)
    return `${compiler} does not build it: ${built.error?.message ?? built.stderr.split('\n')[0]}`;
  return (...given) => {
    const run = spawnSync(program, given.map(String), { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the C ring ended with ${run.status}: ${run.stderr}`);
    return run.stdout.trim().split(' ').map(Number);
  };
}
type Ring = Exclude<ReturnType<typeof buildRing>, string>;

export function ringRate(ring: Ring, bench: Bench, shape: 'hop' | 'two' | 'three', where: Where): Contestant {
  return {
    name: `C ${shape}, ${many[where]}`,
    async run(messages, batch) {
      const words = ['rate', shape, many[where], messages, batch, bench.spins, bench.huge ? 1 : 0];
      const [count = 0, seconds = 0, cpu = 0] = ring(...words);
      return { rate: count / seconds / 1e6, cpu: (cpu * 1000) / count };
    },
    close: async () => undefined,
  };
}

export function ringTrip(ring: Ring, name: string, ...words: (string | number)[]): Contestant {
  return {
    name,
    async run(messages) {
      const given = words.map((word) => (word === 'TRIPS' ? messages : word));
      const [, p50 = 0, p99 = 0, p999 = 0] = ring(...given);
      return { rate: Number.NaN, cpu: Number.NaN, trips: [p50, p99, p999] };
    },
    close: async () => undefined,
  };
}

export function queue(ring: Ring): Contestant {
  return {
    name: 'POSIX message queue in C',
    async run(messages) {
      const [count = 0, seconds = 0, cpu = 0] = ring('queue', messages);
      return { rate: count / seconds / 1e6, cpu: (cpu * 1000) / count };
    },
    close: async () => undefined,
  };
}

/** The runtime's own ways: windows of 1024 messages, the next one when the last was received. */
export async function runtimePeer(directory: string, name: string, where: Where, arrays: number): Promise<Contestant> {
  const role = where === 'thread' ? 'port-receive' : 'json-receive';
  const mate = await startMate(where, { role, directory, segment: '', spins: 0 });
  return {
    name,
    async run(messages) {
      const began = process.threadCpuUsage();
      const answer = mate.order({ messages, batch: arrays });
      let sent = 0;
      const sendWindow = (): void => {
        for (const end = Math.min(messages, sent + 1024); sent < end; ) {
          const words = new Int32Array(arrays * messageWords);
          for (let at = 0; at < words.length; at += 1)
            words[at] = sent + Math.floor(at / messageWords) + (at % messageWords);
          sent += arrays;
          mate.send(where === 'thread' ? words : { words: Array.from(words) });
        }
      };
      mate.onWindow = (got) => {
        if (got === sent && sent < messages) sendWindow();
      };
      sendWindow();
      const { seconds, cpu } = await answer;
      const { user, system } = process.threadCpuUsage(began);
      return { rate: messages / seconds / 1e6, cpu: ((cpu + user + system) * 1000) / messages };
    },
    close: async () => mate.end(),
  };
}

export async function zeromqPeer(directory: string): Promise<Contestant> {
  const address = `ipc://${join(directory, 'zeromq')}`;
  const mate = await startMate('process', { role: 'zeromq-receive', directory, segment: '', spins: 0, address });
  const { Push } = await import('zeromq');
  const push = new Push({ sendHighWaterMark: 4096 });
  push.connect(address);
  return {
    name: 'zeromq 6 PUSH/PULL over ipc',
    async run(messages) {
      const began = process.threadCpuUsage();
      const answer = mate.order({ messages, batch: 1 });
      for (let sequence = 0; sequence < messages; sequence += 1) {
        const words = new Int32Array(messageWords);
        writeMessage(words, 0, sequence);
        await push.send(new Uint8Array(words.buffer));
      }
      const { seconds, cpu } = await answer;
      const { user, system } = process.threadCpuUsage(began);
      return { rate: messages / seconds / 1e6, cpu: ((cpu + user + system) * 1000) / messages };
    },
    async close() {
      mate.end();
      push.close();
    },
  };
}

export async function ringbufPeer(directory: string, spins: number): Promise<Contestant> {
  const { RingBuffer } = await import('ringbuf.js');
  const memory = RingBuffer.getStorageForCapacity(4096 * messageWords, Int32Array as never);
  const base = { directory, segment: '', spins, memory };
  const receiver = await startMate('thread', { ...base, role: 'ringbuf-receive' });
  const sender = await startMate('thread', { ...base, role: 'ringbuf-send' });
  return {
    name: 'ringbuf.js, threads',
    async run(messages, batch) {
      const all = await Promise.all([sender.order({ messages, batch }), receiver.order({ messages, batch })]);
      return roundOf(messages, all);
    },
    async close() {
      sender.end();
      receiver.end();
    },
  };
}
