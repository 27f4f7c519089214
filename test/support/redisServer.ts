import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './freePorts.ts';

/** Whether a redis-server can be started here (Debian: `redis-server`). */
export const hasRedisServer: boolean = spawnSync('redis-server', ['--version']).status === 0;

/** A real redis-server of a test's own, on a free port of 127.0.0.1. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** A client to look inside with. */
  readonly client: Redis;
  /** Stops the server in order and starts it again on its data, `awayMs` later. */
  restart(awayMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts one that writes every command to its file before it answers, so that a restart loses nothing. */
export async function startRedisServer(...words: string[]): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-redis-'));
  const port = await freePort();
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  const start = () =>
    spawn('redis-server', [...options, '--appendonly', 'yes', '--appendfsync', 'always', ...words], {
      stdio: 'ignore',
    });
  let server = start();
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 50 });
  client.on('error', () => {});
  if (words.length === 0) await client.ping();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    client,
    async restart(awayMs) {
      await ended(server, 'SIGTERM');
      await pause(awayMs);
      server = start();
      await client.ping();
    },
    async close() {
      client.disconnect();
      await ended(server, 'SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exit;
}
