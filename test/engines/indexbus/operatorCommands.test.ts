import { describe, expect, it } from 'vitest';
import {
  agents,
  operatorCommands,
  ping,
  RouterError,
  roll,
  triage,
} from '../../../src/engines/indexbus/operatorCommands.ts';

/** A router with these answers, and what it was asked. */
function router(answers: Readonly<Record<string, unknown>>) {
  const asked: unknown[] = [];
  return {
    asked,
    async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
      asked.push(body === undefined ? `${method} ${path}` : [`${method} ${path}`, body]);
      if (!(path in answers)) throw new RouterError('NOT_FOUND', 404, `nothing at ${path}`);
      return answers[path] as T; // what the test says
    },
  };
}

const input = (words: readonly string[], options: Readonly<Record<string, string>> = {}, segment?: string) => ({
  words,
  options,
  segment,
});
const run = (name: string, client: ReturnType<typeof router>, words: readonly string[]) => {
  const command = operatorCommands.get(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command(client, input(words));
};

describe('commands of operators', () => {
  it('should look for the segment that the router has, unless one is named', async () => {
    const client = router({
      '/v1/segments': [{ segment: 'a b' }],
      '/v1/segments/a%20b/bottleneck': { side: 'none' },
      '/v1/segments/other/bottleneck': { side: 'upstream' },
    });
    expect(await triage(client, input([]))).toEqual({ value: { side: 'none' }, exit: 0 });
    expect(await triage(client, input([], {}, 'other'))).toEqual({ value: { side: 'upstream' }, exit: 1 });
    expect(client.asked.at(-1)).toBe('GET /v1/segments/other/bottleneck');
  });

  it('should refuse where there is no segment, and pass on what a router refuses', async () => {
    await expect(triage(router({ '/v1/segments': [] }), input([]))).rejects.toMatchObject({ exit: 1 });
    await expect(triage(router({}), input([]))).rejects.toMatchObject({
      exit: 1,
      message: expect.stringContaining('it is a control plane: ask a router'),
    });
    await expect(triage(router({}), input([], {}, 'bus'))).rejects.toMatchObject({ code: 'NOT_FOUND', exit: 1 });
    expect(new RouterError('NO_ANSWER', undefined, 'nobody').exit).toBe(2);
  });

  it('should change what the words say', async () => {
    const client = router({
      '/v1/segments': [{ segment: 'bus' }],
      '/v1/segments/bus/lanes/c1': {},
      '/v1/segments/bus/producers/0': {},
      '/v1/segments/bus/lanes/3/detach': {},
      '/v1/segments/bus/roll': {},
    });
    await run('lane set', client, ['c1', 'capacity=8192', 'drop=oldest']);
    await run('producer set', client, ['0', 'rate_limit=none']);
    await run('detach', client, ['3']);
    await run('roll', client, ['slots_per_producer=16384']);
    expect(client.asked.filter((it) => typeof it !== 'string')).toEqual([
      ['PATCH /v1/segments/bus/lanes/c1', { capacity: 8_192, drop: 'oldest' }],
      ['PATCH /v1/segments/bus/producers/0', { rate_limit: 'none' }],
      ['POST /v1/segments/bus/lanes/3/detach', {}],
      ['POST /v1/segments/bus/roll', { slots_per_producer: 16_384 }],
    ]);
    // A number that the router refuses has to reach it as one.
    await run('roll', client, ['lanes_max=1.5', 'slot_bytes=-1']);
    expect(client.asked.at(-1)).toEqual(['POST /v1/segments/bus/roll', { lanes_max: 1.5, slot_bytes: -1 }]);
    for (const name of ['lane set', 'producer set', 'detach']) {
      await expect(run(name, client, [])).rejects.toThrow('expected a');
    }
    await expect(run('lane set', client, ['c1', 'capacity'])).rejects.toThrow('key=value');
  });

  it('should give a roll its patience, and say what it waits for', async () => {
    const view = { generation: 2, waits: [] };
    const path = '/v1/segments/bus/roll';
    const client = router({ '/v1/segments': [{ segment: 'bus' }], [path]: view });
    await roll(client, input(['lanes_max=32'], { patience: '1.5' }));
    expect(client.asked.at(-1)).toEqual([`POST ${path}`, { lanes_max: 32, patience_ms: 1_500 }]);
    await roll(client, input([], { patience: '0' }));
    expect(client.asked.at(-1)).toEqual([`POST ${path}`, { patience_ms: 0 }]);
    await roll(client, input([], { patience: '0.0001' }));
    expect(client.asked.at(-1)).toEqual([`POST ${path}`, { patience_ms: 1 }]);
    const asked = client.asked.length;
    // A variable of a script that is not set must not end consumers at once.
    for (const patience of ['', ' ', 'soon', '-1', '0x10', '1e3', '1.', '.5', ' 1', 'Infinity']) {
      await expect(roll(client, input([], { patience }))).rejects.toThrow(
        `--patience: expected seconds such as 60 or 1.5, 0 or more, got ${JSON.stringify(patience)}`,
      );
    }
    expect(client.asked).toHaveLength(asked);
    expect(await run('rolling', client, [])).toEqual({ value: view, exit: 0 });
    expect(client.asked.at(-1)).toBe(`GET ${path}`);
  });

  it('should be bad where a router is not online, or the control plane is not reached', async () => {
    const online = { state: 'online' };
    const environment = '/v1/environments/test/agents';
    const asked = input([], { environment: 'test', region: 'eu' });
    expect((await agents(router({ [environment]: [online] }), asked)).exit).toBe(0);
    expect((await agents(router({ [environment]: [online, { state: 'late' }] }), asked)).exit).toBe(1);

    const region = '/v1/regions/eu/health';
    const health = { status: 'ok', routers: [], control_plane: { reachable: true } };
    expect((await ping(router({ [region]: health }), asked)).exit).toBe(0);
    expect((await ping(router({ [region]: { ...health, control_plane: null } }), asked)).exit).toBe(0);
    expect((await ping(router({ [region]: { ...health, control_plane: { reachable: false } } }), asked)).exit).toBe(1);
    expect((await ping(router({ [region]: { ...health, status: 'degraded' } }), asked)).exit).toBe(1);
    await expect(ping(router({}), input([]))).rejects.toThrow('--region');
  });
});
