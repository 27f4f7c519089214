import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openBus } from '../../src/daemon/bus.ts';
import { MessageBatch } from '../../src/engines/indexbus/messageBatch.ts';
import { loadShm } from '../../src/real/shm/load.ts';
import { HOTFIRE } from './daemonProcess.ts';

/** By the native addon, or by FFI in its place: HOTFIRE_NATIVE=off tries the latter. */
const isMapped = loadShm().by !== 'nobody';
/** On tmpfs, as segments have to be. */
const directory = isMapped ? mkdtempSync('/dev/shm/hotfire-indexbus-') : '';
const children: ChildProcess[] = [];

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  /** Resolves to the first line with this message. */
  logged(message: string): Promise<Record<string, unknown>>;
  readonly exited: Promise<{ readonly code: number | null; readonly text: string }>;
}

/** @param listen where its HTTP listens; default a port that is free */
function serve(routerId: string, segment: string, words: readonly string[] = [], listen = '127.0.0.1:0'): Started {
  const config = join(directory, `${routerId}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      router_id: routerId,
      admin: { listen },
      segment: { name: segment, backing: 'tmpfs', directory },
      subscriptions: [{ name: 'all', topics: ['t'], lane: 'blocking', detach_after_ms: 'none' }],
      slots_per_producer: 1024,
      lock_memory: false,
    }),
  );
  const [node, main] = HOTFIRE;
  const child = spawn(node, [main, 'serve', 'indexbus', '--config', config, ...words]);
  children.push(child);
  let text = '';
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const take = (bytes: Buffer): void => {
    text += bytes.toString();
    const whole = text.split('\n').slice(0, -1);
    for (const line of whole.slice(lines.length)) lines.push(line.startsWith('{') ? JSON.parse(line) : { msg: line });
    for (const look of waiting) look();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return {
    child,
    logged: (message) =>
      new Promise((resolve) => {
        const look = (): void => {
          const line = lines.find(({ msg }) => msg === message);
          if (line === undefined) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        look();
      }),
    exited: new Promise((resolve) => child.on('exit', (code) => resolve({ code, text }))),
  };
}

describe.skipIf(!isMapped)('hotfire serve indexbus (skipped with neither native addon nor FFI)', () => {
  it('should refuse a second router, and hand over to a standby when the first is killed', {
    timeout: 60_000,
  }, async () => {
    const first = serve('first', 'served');
    expect(await first.logged('routing')).toMatchObject({ origin: 'made', generation: 1, thread: 'dedicated' });
    const second = await serve('second', 'served').exited;
    expect(second.code).toBe(75);
    expect(second.text).toContain('IB_ROUTER_HELD');
    expect(second.text).toContain(`pid ${first.child.pid}, since 20`);
    const standby = serve('third', 'served', ['--standby']);
    expect(await standby.logged('standby')).toMatchObject({ router_id: 'first', pid: first.child.pid });
    await standby.logged('serving');
    first.child.kill('SIGKILL');
    expect(await standby.logged('routing')).toMatchObject({ origin: 'found', generation: 1 });
    standby.child.kill('SIGTERM');
    expect((await standby.exited).code).toBe(0);
  });

  it('should make no segment where its port is taken, and name the router where that one has the segment too', {
    timeout: 60_000,
  }, async () => {
    const first = serve('listening', 'heard');
    const { url } = await first.logged('serving');
    const { host } = new URL(String(url));
    const unheard = await serve('unheard', 'silent', [], host).exited;
    expect(unheard.code).toBe(74);
    expect(unheard.text).toContain('EADDRINUSE');
    expect(readdirSync(directory).filter((name) => /^silent\.(json|\d)/.test(name))).toEqual([]);
    const again = await serve('again', 'heard', [], host).exited;
    expect([again.code, again.text]).toEqual([75, expect.stringContaining('IB_ROUTER_HELD')]);
    first.child.kill('SIGTERM');
    expect((await first.exited).code).toBe(0);
  });

  it('should go on with the roll of a router that was killed: what the old generation has comes first', {
    timeout: 60_000,
  }, async () => {
    const first = serve('rolling', 'rolled');
    const { url } = await first.logged('serving');
    const standby = serve('rolling-too', 'rolled', ['--standby']);
    await standby.logged('standby');
    const bus = await openBus({ segment: 'rolled', directory });
    const consumer = await bus.consumer({ subscription: 'all' });
    const producer = await bus.producer();
    const topic = await bus.topic('t');
    const publish = async (from: number, to: number): Promise<void> => {
      for (let number = from; number < to; number += 1) {
        while (!producer.publishWords(topic, Int32Array.of(number), 0, 1)) await producer.ready(1000);
      }
      producer.flush();
    };
    const seen: number[] = [];
    const batch = new MessageBatch(256, 16_384);
    const read = async (until: number): Promise<void> => {
      while (seen.length < until && (await consumer.ready(20_000))) {
        consumer.receive(batch);
        for (let at = 0; at < batch.length; at += 1) seen.push(batch.words[batch.wordOffset(at)] ?? -1);
      }
      consumer.ack();
    };
    await publish(0, 500);
    const rolling = await fetch(`${url}/v1/segments/rolled/roll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"slots_per_producer":2048}',
    });
    expect(rolling.status, await rolling.text()).toBe(202);
    // Nobody reads, so the old generation is full of what its consumer has not taken.
    first.child.kill('SIGKILL');
    expect(await standby.logged('roll goes on')).toMatchObject({ generation: 2 });
    const publishing = publish(500, 1500);
    await read(1500);
    await publishing;
    expect(seen).toEqual(Array.from({ length: 1500 }, (_, number) => number));
    expect(await standby.logged('rolled')).toMatchObject({ generation: 2 });
    // Neither its name nor its memory; a lock file stays where a name has been.
    const former = /^rolled\.former\.(?!lock$)/;
    await expect.poll(() => readdirSync(directory).filter((name) => former.test(name))).toEqual([]);
    await producer.close();
    await consumer.close();
    await bus.close();
    standby.child.kill('SIGTERM');
    expect((await standby.exited).code).toBe(0);
  });
});
