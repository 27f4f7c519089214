import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/real/native.ts';
import { HOTFIRE } from './daemonProcess.ts';

const hasAddon = 'addon' in loadNative();
/** On tmpfs, as segments have to be. */
const directory = hasAddon ? mkdtempSync('/dev/shm/hotfire-indexbus-') : '';
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

function serve(routerId: string, ...words: string[]): Started {
  const config = join(directory, `${routerId}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      router_id: routerId,
      admin: { listen: '127.0.0.1:0' },
      segment: { name: 'served', backing: 'tmpfs', directory },
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

describe.skipIf(!hasAddon)('hotfire serve indexbus', () => {
  it('should refuse a second router, and hand over to a standby when the first is killed', {
    timeout: 60_000,
  }, async () => {
    const first = serve('first');
    expect(await first.logged('routing')).toMatchObject({ origin: 'made', generation: 1, thread: 'dedicated' });
    const second = await serve('second').exited;
    expect(second.code).toBe(75);
    expect(second.text).toContain('IB_ROUTER_HELD');
    expect(second.text).toContain(`pid ${first.child.pid}, since 20`);
    const standby = serve('third', '--standby');
    expect(await standby.logged('standby')).toMatchObject({ router_id: 'first', pid: first.child.pid });
    await standby.logged('serving');
    first.child.kill('SIGKILL');
    expect(await standby.logged('routing')).toMatchObject({ origin: 'found', generation: 1 });
    standby.child.kill('SIGTERM');
    expect((await standby.exited).code).toBe(0);
  });
});
