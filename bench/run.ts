/**
 * `npm run bench [name …] [-- option …]`: runs the benchmarks one after the other, each in a process of its own, all of
 * them if none is named. Options go to each as they are: `npm run bench -- soak --minutes 5`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadNote } from './measure.ts';

/** Every benchmark, and what it measures. */
const benches: Readonly<Record<string, string>> = {
  sim: 'events of the simulator',
  gathering: 'group commit on the stand',
  raft: 'the raft core: idle groups, heartbeats, entries',
  journal: 'the journal beside the raw disk, classic-level, sqlite, lmdb',
  native: 'the journal on io_uring and on node:fs, beside a loop in C',
  stemedb: 'the store beside the same, HTTP, queries, index',
  growth: 'what may grow with the number of records, and what may not',
  linearizability: "the checker beside Porcupine on Jepsen's logs",
  shrink: 'how far failing runs come down',
  guidance: 'coverage of chaos, guided and blind',
  stand: 'seeds a minute, and where their time goes',
  load: 'how many times faster than real time the stand plays a cluster, idle and under load',
  streambus: 'the broker beside Redis streams, JetStream, quorum queues; client libraries; idle cost',
  indexbus: 'the bus beside rings in C, MessagePort, process.send, ZeroMQ, POSIX queues, ringbuf.js; latency; heap',
  soak: 'ten minutes of load: does the memory stay flat?',
};

const given = process.argv.slice(2);
const firstOption = given.findIndex((word) => word.startsWith('-'));
const names = firstOption < 0 ? given : given.slice(0, firstOption);
const options = firstOption < 0 ? [] : given.slice(firstOption);
const unknown = names.find((name) => !Object.hasOwn(benches, name));
if (unknown !== undefined) {
  const lines = Object.entries(benches).map(([name, what]) => `  ${name.padEnd(12)}${what}`);
  console.error(`bench: there is no ${unknown}, expected some of\n${lines.join('\n')}`);
  process.exit(64);
}
for (const name of names.length === 0 ? Object.keys(benches) : names) {
  console.log(`\n== ${name}: ${benches[name]}; ${loadNote()}`);
  const file = join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', file, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
