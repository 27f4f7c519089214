/**
 * A participant in a process of its own. Usage: participant.ts ROLE DIRECTORY SEGMENT WITNESS-FILE ID SEED. Says `ready`, begins with the line `go`,
 * ends with the line `stop`; roles are `router`, `producer`, `consumer`. A router waits for the lock of its segment.
 */
import { flushCompileCache } from 'node:module';
import { createInterface } from 'node:readline';
import { openBus } from '../../../../src/engines/indexbus/index.ts';
import { Header } from '../../../../src/engines/indexbus/layout.ts';
import { SeatProber } from '../../../../src/engines/indexbus/liveness.ts';
import { LoopStat } from '../../../../src/engines/indexbus/loopStats.ts';
import { openRouterLock } from '../../../../src/engines/indexbus/routerLock.ts';
import { defaultRouterOptions } from '../../../../src/engines/indexbus/routerParts.ts';
import { serveRouterHere } from '../../../../src/engines/indexbus/routerServe.ts';
import { createSegment, openSegment } from '../../../../src/engines/indexbus/segment.ts';
import { loadShm } from '../../../../src/real/shm/load.ts';
import { busHost, consume, Draw, killSizes, produce, routerBatch, subscriptions } from './roles.ts';
import { Noted, Witness } from './witness.ts';

const [role = '', directory = '', name = '', file = '', id = '', seed = ''] = process.argv.slice(2);
const found = loadShm();
if (found.by === 'nobody') throw new Error(found.reason);
const host = busHost(found.shm, directory);
const witness = new Witness(file, host.clock);
const draw = new Draw(Number(seed));
const stopping = { stopped: false };
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
// One that is killed would leave nothing to those that come after it.
flushCompileCache();
say({ said: 'ready', pid: process.pid, by: found.by });
await lines.next();
const stopped = lines.next().then(() => {
  stopping.stopped = true;
});
if (role === 'router') await route();
else if (role === 'producer') await send();
else await read();
say({ said: 'stopped' });
process.exit(0);

async function send(): Promise<void> {
  const bus = await openBus({ host, segment: name });
  const producer = await produce(host, bus, witness, Number(id), draw, stopping);
  await producer.close({ drainTimeoutMs: 20_000 });
  witness.noteNow(Noted.closed, Number(id));
  await bus.close();
}

async function read(): Promise<void> {
  const bus = await openBus({ host, segment: name });
  let lanes = Number(id) * 1000;
  const next = (): number => {
    lanes += 1;
    return lanes;
  };
  await Promise.all(subscriptions.map((_, which) => consume(host, bus, witness, which, next, draw, stopping)));
  await bus.close();
}

async function route(): Promise<void> {
  const place = { shm: host.shm, name };
  const lock = await openRouterLock(host, place, `router-${id}`);
  while (!lock.take()) {
    if (stopping.stopped) return;
    await host.clock.sleep(2);
  }
  const found = await host.shm.stat(name);
  const segment = found === undefined ? await createSegment(place, killSizes, 1) : await openSegment(place);
  const setup = {
    options: { ...defaultRouterOptions, batchSize: routerBatch },
    loop: { pollIntervalUs: 1000, spinUs: 0 },
  };
  const runner = serveRouterHere(segment, host, setup, () => undefined);
  const redone = runner.stats.values[LoopStat.redoFinished] ?? 0;
  witness.noteNow(Noted.routerBegan, Atomics.load(segment.words, Header.routerEpoch), redone);
  if (found === undefined) {
    for (const subscription of subscriptions) await runner.apply({ do: 'put-subscription', subscription });
  }
  say({ said: 'serving' });
  const prober = new SeatProber(segment, host.clock, host.telemetry);
  while (!stopping.stopped) {
    for (const { judgement, seat, epoch } of prober.probe()) {
      if (judgement.verdict === 'alive') continue;
      await runner.apply({ do: judgement.verdict === 'dead' ? 'peer-dead' : 'peer-doubtful', seat: seat.index, epoch });
    }
    await Promise.race([host.clock.sleep(10), stopped, runner.ended]);
  }
  await runner.stop();
  lock.release();
}
