import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tailOf, tailSubscriptionName } from '../../../src/cli/indexbus/tailSubscription.ts';
import { type Bus, openBus } from '../../../src/daemon/bus.ts';
import { loadShm } from '../../../src/real/shm/load.ts';
import { HOTFIRE } from '../../daemon/daemonProcess.ts';

const isMapped = loadShm().by !== 'nobody';
/** On tmpfs, as segments have to be. */
const directory = isMapped ? mkdtempSync('/dev/shm/hotfire-tail-') : '';
const children: ChildProcess[] = [];

interface Ran {
  readonly child: ChildProcess;
  out(): string;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string }>;
}

function run(...words: string[]): Ran {
  const [node, main] = HOTFIRE;
  const child = spawn(node, [main, ...words]);
  children.push(child);
  let out = '';
  const take = (bytes: Buffer): void => {
    out += bytes.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out })),
  );
  return { child, out: () => out, ended };
}

function serve(): Ran {
  const config = join(directory, 'router.json');
  const settings = {
    admin: { listen: '127.0.0.1:0' },
    segment: { name: 'tailed', backing: 'tmpfs', directory },
    subscriptions: [{ name: 'all', topics: ['>'], capacity: 64 }],
    slots_per_producer: 1024,
    lane_ring: 256,
    lanes_max: 2,
    lock_memory: false,
  };
  writeFileSync(config, JSON.stringify(settings));
  return run('serve', 'indexbus', '--config', config);
}

const tail = (...words: string[]): Ran =>
  run('indexbus', 'tail', '--segment', 'tailed', '--directory', directory, ...words);

describe.skipIf(!isMapped)('hotfire indexbus tail (skipped with neither native addon nor FFI)', () => {
  let router: Ran;
  let bus: Bus;
  beforeAll(async () => {
    router = serve();
    bus = await openBus({ segment: 'tailed', directory, attachTimeoutMs: 60_000 });
    // Waits for the router, too.
    await (await bus.consumer({ subscription: 'all' })).close();
  }, 60_000);
  afterAll(async () => {
    await bus?.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  const attached = (many: number): Promise<void> =>
    expect
      .poll(() => bus.inspect().lanes.filter(({ state }) => state === 'live').length, { timeout: 30_000 })
      .toBe(many);
  const isClean = (): void => {
    const { lanes, subscriptions } = bus.inspect();
    expect(subscriptions).toEqual(['all']);
    expect(lanes.filter(({ state }) => state !== 'free')).toEqual([]);
  };

  it('should print what comes, end with 0 at a signal, and leave nothing behind', { timeout: 120_000 }, async () => {
    const producer = await bus.producer();
    const topic = await bus.topic('orders.created');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const it = tail('orders.>');
      await attached(1);
      producer.publish(topic, Buffer.from('order 7'));
      producer.flush();
      await expect.poll(it.out, { timeout: 10_000 }).toMatch(/^orders\.created \d+:\d+ order 7\n$/);
      it.child.kill(signal);
      // As a terminal and `timeout` do: the process, then its group.
      it.child.kill(signal);
      const { code, out } = await it.ended;
      expect([signal, code, out.split('\n').length]).toEqual([signal, 0, 2]);
      isClean();
    }
    await producer.close();
  });

  it('should end after --count messages, and clear away what a killed one has left', { timeout: 120_000 }, async () => {
    const killed = tail('orders.>');
    await attached(1);
    killed.child.kill('SIGKILL');
    await killed.ended;
    await attached(0);
    expect(bus.inspect().subscriptions).toHaveLength(2);
    const producer = await bus.producer();
    const topic = await bus.topic('orders.created');
    const it = tail('orders.>', '--count', '1', '--json');
    await attached(1);
    producer.publish(topic, Buffer.from('order 8'));
    producer.publish(topic, Buffer.from('order 9'));
    producer.flush();
    const { code, out } = await it.ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ topic: 'orders.created', payload: 'b3JkZXIgOA==' });
    isClean();
    await producer.close();
  });

  it('should say what refuses it, with a code, and end', { timeout: 120_000 }, async () => {
    const consumers = [await bus.consumer({ subscription: 'all' }), await bus.consumer({ subscription: 'all' })];
    const refused = await tail('orders.>').ended;
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/^error: IB_NO_SEAT: all 2 seats of consumers are taken .*\n$/);
    for (const consumer of consumers) await consumer.close();
    isClean();
    const wrong = await tail('orders..created').ended;
    expect([wrong.code, wrong.out]).toEqual([64, expect.stringContaining('got "orders..created"')]);
    const nowhere = await tail('orders', '--segment', 'none').ended;
    expect(nowhere.code).toBe(2);
    expect(nowhere.out).toMatch(/^error: IB_NO_SEGMENT: there is no segment none; .*\n$/);
  });

  it('should say that nobody routes, wait, and end with 0 at a signal all the same', { timeout: 120_000 }, async () => {
    const it = tail('orders.>');
    await attached(1);
    router.child.kill('SIGTERM');
    await router.ended;
    await expect.poll(it.out, { timeout: 30_000 }).toMatch(/^nobody routes tailed: .*\n$/);
    router = serve();
    await expect.poll(it.out, { timeout: 30_000 }).toMatch(/\na router routes tailed again\n$/);
    router.child.kill('SIGTERM');
    await router.ended;
    it.child.kill('SIGINT');
    expect((await it.ended).code).toBe(0);
  });
});

describe("a tail's subscription", () => {
  it('should say whose it is, within what a name may be', () => {
    const identity = { pid: 4_194_304, startTicks: 99_999_999_999, pidSpace: 4_294_967_295 };
    const name = tailSubscriptionName(identity);
    expect(name).toMatch(/^[a-z0-9._-]{1,63}$/);
    expect(tailOf(name)).toEqual(identity);
    expect(tailOf('tail.orders.created')).toBeUndefined();
  });
});
