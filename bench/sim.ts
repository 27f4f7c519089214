/**
 * How fast the simulator is: events a second through asynchronous engine code, and how many times faster than real time
 * an idle cluster of three nodes runs. `node bench/sim.ts [--rounds N] [--json]`.
 */
import { parseArgs } from 'node:util';
import type { Host } from '../src/host/host.ts';
import type { Connection } from '../src/host/network.ts';
import { World } from '../src/sim/world.ts';

const EVENTS = 600_000;
const IDLE_SECONDS = 600;
const HEARTBEAT_MS = 100;

/** What one round of a workload did. */
interface Round {
  readonly events: number;
  readonly virtualMs: number;
  readonly realMs: number;
}

async function timed(world: World, options: Parameters<World['run']>[0]): Promise<Round> {
  const [events, virtualMs, startMs] = [world.scheduler.eventsRun, world.now, performance.now()];
  await world.run(options);
  return {
    events: world.scheduler.eventsRun - events,
    virtualMs: world.now - virtualMs,
    realMs: performance.now() - startMs,
  };
}

/** Ten loops of asynchronous code on each of three machines: a sleep, three awaits and a draw an event. */
function timers(seed: number): Promise<Round> {
  const world = new World({ seed });
  const work = async (value: number): Promise<number> => value + 1;
  for (const name of ['n1', 'n2', 'n3']) {
    world.addMachine(name).start('loops', (host) => {
      for (let loop = 0; loop < 10; loop++) {
        void (async () => {
          const random = host.random.stream(`loop ${loop}`);
          for (let sum = 0; ; ) {
            await host.clock.sleep(1 + random.float());
            sum = await work(await work(sum));
          }
        })();
      }
    });
  }
  return timed(world, { maxEvents: EVENTS });
}

/** Requests and answers over the network: ten connections, one request under way on each. */
function messages(seed: number): Promise<Round> {
  const world = new World({ seed });
  world.addMachine('server').start('echo', async (host) => {
    await host.network.listen({ host: 'server', port: 80 }, (connection) => void echo(connection));
  });
  world.addMachine('client').start('ask', async (host) => {
    await host.clock.sleep(1);
    for (let index = 0; index < 10; index++) void ask(host, 'server');
  });
  return timed(world, { maxEvents: EVENTS });
}

async function echo(connection: Connection): Promise<void> {
  for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
    await connection.write(bytes);
  }
}

async function ask(host: Host, server: string): Promise<void> {
  const connection = await host.network.connect({ host: server, port: 80 });
  const request = new Uint8Array(100);
  for (;;) {
    await connection.write(request);
    await connection.read();
  }
}

/**
 * Three nodes with nothing to do: each sends a heartbeat of 64 bytes to both others every 100 ms, re-arms a time-out at
 * every one that it gets, and has a tick of a second.
 */
function idle(seed: number): Promise<Round> {
  const world = new World({ seed });
  const names = ['n1', 'n2', 'n3'];
  for (const name of names) {
    world.addMachine(name).start('node', async (host) => {
      let timeout = host.clock.timer(1000, () => {});
      const listen = async (connection: Connection): Promise<void> => {
        while ((await connection.read()) !== undefined) {
          timeout.cancel();
          timeout = host.clock.timer(1000 + host.random.stream('timeout').float(), () => {});
        }
      };
      await host.network.listen({ host: name, port: 80 }, (connection) => void listen(connection));
      await host.clock.sleep(10);
      for (const peer of names) if (peer !== name) void heartbeat(host, peer);
      for (;;) await host.clock.sleep(1000);
    });
  }
  return timed(world, { toMs: IDLE_SECONDS * 1000 });
}

async function heartbeat(host: Host, peer: string): Promise<void> {
  const connection = await host.network.connect({ host: peer, port: 80 });
  const beat = new Uint8Array(64);
  for (;;) {
    await connection.write(beat);
    await host.clock.sleep(HEARTBEAT_MS);
  }
}

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly goal: number | undefined;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

async function measure(
  name: string,
  unit: string,
  goal: number | undefined,
  rounds: number,
  run: (seed: number) => Promise<Round>,
  value: (round: Round) => number,
): Promise<Row> {
  await run(0);
  const values: number[] = [];
  for (let seed = 1; seed <= rounds; seed++) values.push(value(await run(seed)));
  values.sort((a, b) => a - b);
  const at = (index: number): number => values[index] ?? Number.NaN;
  return { name, unit, goal, median: at(Math.floor(rounds / 2)), least: at(0), most: at(rounds - 1) };
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, json: { type: 'boolean' } } });
const rounds = Math.max(1, Number(values.rounds));
const perSecond = (round: Round): number => (round.events / round.realMs) * 1000;
const timesReal = (round: Round): number => round.virtualMs / round.realMs;

const rows = [
  await measure('timers and promises', 'events/s', 300_000, rounds, timers, perSecond),
  await measure('requests over the network', 'events/s', undefined, rounds, messages, perSecond),
  await measure('idle cluster of three', 'x real time', 1000, rounds, idle, timesReal),
];

if (values.json) {
  process.stdout.write(`${JSON.stringify({ node: process.version, rounds, rows })}\n`);
} else {
  const number = (value: number): string => Math.round(value).toLocaleString('en-US').padStart(10);
  for (const row of rows) {
    const verdict = row.median >= (row.goal ?? 0) ? 'met' : 'missed';
    const goal = row.goal === undefined ? '' : `   goal ${number(row.goal)} ${verdict}`;
    const range = `range ${number(row.least)} ..${number(row.most)}`;
    process.stdout.write(`${row.name.padEnd(28)} ${number(row.median)} ${row.unit.padEnd(12)} ${range}${goal}\n`);
  }
  process.stdout.write(
    `${rounds} rounds each. What limits it: a turn of Node's tick queue and microtasks between two events (about 0.2 µs), ` +
      'entering the context of the process (0.1 µs), the heap and the trace; in the idle cluster also a turn of the real ' +
      'event loop whenever virtual time has moved by 10 ms.\n',
  );
}
