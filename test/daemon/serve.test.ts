import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import { Registry } from 'prom-client';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HttpServer } from '../../src/daemon/http/server.ts';
import { INCARNATION_FILE } from '../../src/daemon/incarnation.ts';
import { createNotify } from '../../src/daemon/notify.ts';
import { serve } from '../../src/daemon/serve.ts';
import { type EngineDefinition, EngineError, type RunningEngine } from '../../src/engines/engine.ts';
import type { Host } from '../../src/host/host.ts';
import type { LogFields, Logger } from '../../src/host/telemetry.ts';

const schema = z.strictObject({
  bind: z.string().default('127.0.0.1:0'),
  greeting: z.string().default('hello'),
  mode: z.enum(['old', 'new']).default('old'),
});
type Config = z.infer<typeof schema>;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-serve-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A daemon with a small engine, and everything that a test may do to it. */
function daemon(
  start: (events: string[]) => Partial<RunningEngine> = () => ({}),
  environment: Record<string, string> = {},
) {
  const events: string[] = [];
  const logs: { message: string; fields: LogFields }[] = [];
  const log = (message: string, fields: LogFields = {}) => void logs.push({ message, fields });
  const logger: Logger = { debug() {}, info: log, warn: log, error: log, child: () => logger };
  let greeting = '';
  const definition: EngineDefinition<Config> = {
    points: { probes: [], faultPoints: [] },
    name: 'greeter',
    summary: 'greets',
    configSchema: schema,
    environmentPrefix: 'GREETER',
    stateDirectory: () => directory,
    initOverrides: { mode: 'new' },
    server: (config) => ({ bind: config.bind, maxBodyBytes: 100 }),
    start: async (host, config) => {
      greeting = config.greeting;
      events.push(`start ${host.incarnation} ${config.mode}`);
      return {
        routes: [
          {
            method: 'GET',
            path: '/greeting',
            summary: 'greets',
            role: 'read',
            handler: async () => ({ status: 200, body: greeting }),
          },
        ],
        stopped: new Promise(() => {}),
        reload: (next) => {
          greeting = schema.parse(next).greeting;
          return { applied: ['greeting'], needRestart: [] };
        },
        drain: async () => {
          events.push('drain');
          return { unfinished: [] };
        },
        close: async () => void events.push('close'),
        ...start(events),
      };
    },
  };
  const configFile = join(directory, 'greeter.yaml');
  writeFileSync(configFile, '');
  const signals: Record<'terminate' | 'reload' | 'defect', (error?: unknown) => void> = {
    terminate() {},
    reload() {},
    defect() {},
  };
  const told: string[] = [];
  let onServing: (server: HttpServer) => void = () => {};
  const serving = new Promise<HttpServer>((resolve) => {
    onServing = resolve;
  });
  const run = (init = false) =>
    serve(
      {
        definition,
        configFile,
        environment,
        init,
        createHost: ({ incarnation }) =>
          ({
            incarnation,
            pid: 1,
            name: 'm',
            clock: { now: () => 1 },
            telemetry: { logger, registry: new Registry(), tracer: trace.getTracer('t') },
          }) as unknown as Host, // the parts that the daemon itself uses
        notify: async (...assignments) => {
          told.push(...assignments);
          return undefined;
        },
        version: '1.2.3',
        commit: 'abc',
        onServing,
      },
      {
        onTerminate: (fn) => {
          signals.terminate = fn;
        },
        onReload: (fn) => {
          signals.reload = fn;
        },
        onDefect: (fn) => {
          signals.defect = fn;
        },
      },
    );
  return { run, serving, signals, events, logs, told, configFile };
}

async function textOf(url: string): Promise<string> {
  const answer = await request(url);
  return answer.body.text();
}

describe('daemon', () => {
  it('should serve until told to stop, drain, and end with 0', async () => {
    const d = daemon();
    const ended = d.run();
    const server = await d.serving;
    expect(await textOf(`${server.url}/greeting`)).toBe('hello');
    expect(JSON.parse(await textOf(`${server.url}/openapi.json`))).toMatchObject({
      info: { title: 'greeter', version: '1.2.3' },
      paths: { '/greeting': {}, '/openapi.json': {} },
    });
    d.signals.terminate();
    expect(await ended).toBe(0);
    expect(d.events).toEqual(['start 1 old', 'drain']);
    await expect(request(`${server.url}/greeting`)).rejects.toThrow();
    expect(d.told.filter((text) => !text.startsWith('STATUS'))).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('should go on answering while it drains, and end at once when told twice', async () => {
    const d = daemon(() => ({ drain: () => new Promise(() => {}) }));
    const ended = d.run();
    const server = await d.serving;
    d.signals.terminate();
    expect(await textOf(`${server.url}/greeting`)).toBe('hello');
    d.signals.terminate();
    expect(await ended).toBe(0);
    expect(d.events).toEqual(['start 1 old', 'close']);
  });

  it('should count its starts', async () => {
    for (const number of [1, 2, 3]) {
      const d = daemon();
      const ended = d.run();
      await d.serving;
      d.signals.terminate();
      await ended;
      expect(d.events[0]).toBe(`start ${number} old`);
    }
    expect(readFileSync(join(directory, INCARNATION_FILE), 'utf8')).toBe('000000000000003\n');
  });

  it('should refuse a count that is none', async () => {
    writeFileSync(join(directory, INCARNATION_FILE), 'three\n');
    await expect(daemon().run()).rejects.toMatchObject({ exitCode: 65, code: 'STATE_DAMAGED' });
  });

  it('should let --init set what the engine names', async () => {
    const d = daemon();
    const ended = d.run(true);
    await d.serving;
    d.signals.terminate();
    await ended;
    expect(d.events[0]).toBe('start 1 new');
  });

  it('should reload what it can, and keep the old configuration when the new one is wrong', async () => {
    const d = daemon();
    const ended = d.run();
    const { url } = await d.serving;
    const reloaded = async (message: string) => {
      const before = d.logs.length;
      d.signals.reload();
      while (!d.logs.slice(before).some((line) => line.message === message)) await new Promise(setImmediate);
    };
    writeFileSync(d.configFile, 'greeting: good day\n');
    await reloaded('reloaded');
    expect(await textOf(`${url}/greeting`)).toBe('good day');
    writeFileSync(d.configFile, 'greting: bye\n');
    await reloaded('reload refused, the old configuration stays');
    expect(await textOf(`${url}/greeting`)).toBe('good day');
    expect(d.logs.at(-1)?.fields.reason).toContain('greeter.yaml:1: greting: expected one of bind, greeting, mode');
    d.signals.terminate();
    expect(await ended).toBe(0);
  });

  it('should do a reload that comes while the engine starts, after the start', async () => {
    const d = daemon((events) => {
      writeFileSync(d.configFile, 'greeting: good day\n');
      d.signals.reload();
      events.push('told to reload');
      return {};
    });
    const ended = d.run();
    const { url } = await d.serving;
    while (!d.logs.some((line) => line.message === 'reloaded')) await new Promise(setImmediate);
    expect(d.events).toEqual(['start 1 old', 'told to reload']);
    expect(await textOf(`${url}/greeting`)).toBe('good day');
    d.signals.terminate();
    expect(await ended).toBe(0);
  });

  it('should end with the exit code of an engine that cannot go on, and say why', async () => {
    let fail: (error: Error) => void = () => {};
    const d = daemon(() => ({
      stopped: new Promise((_, reject) => {
        fail = reject;
      }),
    }));
    const ended = d.run();
    await d.serving;
    fail(new EngineError('SYNC_FAILED', 74, 'fdatasync failed'));
    expect(await ended).toBe(74);
    expect(d.logs).toContainEqual({
      message: 'engine stopped',
      fields: { code: 'SYNC_FAILED', reason: 'fdatasync failed', exitCode: 74 },
    });
  });

  it('should end with the exit code of an engine that cannot start', async () => {
    const d = daemon(() => {
      throw new EngineError('LOCKED', 73, 'held by 42');
    });
    expect(await d.run()).toBe(73);
    expect(d.logs.at(-1)).toMatchObject({ message: 'cannot start', fields: { reason: 'held by 42' } });
  });

  it('should end with 70 on a defect', async () => {
    const d = daemon();
    const ended = d.run();
    await d.serving;
    d.signals.defect(new Error('unforeseen'));
    expect(await ended).toBe(70);
  });

  it('should close the engine when the address is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const address = blocker.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const d = daemon(undefined, { GREETER_BIND: `127.0.0.1:${port}` });
    expect(await d.run()).toBe(74);
    expect(d.events).toEqual(['start 1 old', 'close']);
    await new Promise((resolve) => blocker.close(resolve));
  });
});

describe('readiness', () => {
  it('should go through systemd-notify where a service manager listens, and nowhere else', async () => {
    const script = join(directory, 'systemd-notify');
    writeFileSync(script, `#!/bin/sh\necho "$NOTIFY_SOCKET $@" >> ${directory}/told\n`);
    chmodSync(script, 0o755);
    const PATH = `${directory}:${process.env.PATH}`;
    expect(await createNotify({ PATH })('READY=1')).toBeUndefined();
    expect(await createNotify({ PATH, NOTIFY_SOCKET: '/run/s' })('READY=1', 'STATUS=a b')).toBeUndefined();
    expect(readFileSync(join(directory, 'told'), 'utf8')).toBe('/run/s --no-block READY=1 STATUS=a b\n');
  });

  it('should say why the service manager could not be told', async () => {
    expect(await createNotify({ PATH: directory, NOTIFY_SOCKET: '/run/s' })('READY=1')).toContain('ENOENT');
  });
});
