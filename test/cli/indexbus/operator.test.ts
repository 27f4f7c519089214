import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { exitOf } from '../../../src/cli/exit.ts';
import { createProgram } from '../../../src/cli/program.ts';

let server: Server;
let url = '';
/** What the server answers to everything; undefined: nothing. */
let answer: { readonly status: number; readonly text: string } | undefined;
let printed = '';
let complained = '';

beforeAll(async () => {
  server = createServer((_, response) => {
    if (answer === undefined) return;
    response.statusCode = answer.status;
    response.end(answer.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `127.0.0.1:${(server.address() as AddressInfo).port}`; // It listens on TCP.
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  printed = '';
  complained = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complained += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** Runs a command of `hotfire indexbus`; resolves to the exit code of the process. */
async function run(...words: readonly string[]): Promise<number> {
  process.exitCode = undefined;
  try {
    const program = await createProgram('indexbus');
    await program.parseAsync(['indexbus', ...words], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const { code, text } = exitOf(error);
    if (text !== undefined) complained += `${text}\n`;
    return code;
  }
}

describe('times of a command that asks a router', () => {
  it.each(['1.005', '0.0005', '2147483'])(
    'should be any that a timer has: %s seconds for an answer',
    async (seconds) => {
      answer = { status: 200, text: '[]' };
      // Where the time is over before the answer is there, nobody has answered.
      expect([0, 2]).toContain(await run('lanes', '--segment', 'bus', '--url', url, '--request-timeout', seconds));
      expect(complained).not.toContain('ERR_');
    },
  );

  it('should be told where they are over', async () => {
    answer = undefined;
    expect(await run('lanes', '--url', url, '--request-timeout', '0.02')).toBe(2);
    expect(complained).toBe(
      `error: NO_ANSWER: http://${url} does not answer: not within 0.02 s: it may be stopped (SIGSTOP, a debugger; ps shows T then: kill it; hotfire indexbus inspect reads its segment without it), or busy\n`,
    );
  });

  it.each([
    ['--request-timeout', '10000000'],
    ['--request-timeout', '2147484'],
    ['--request-timeout', '0'],
    ['--request-timeout', ''],
    ['--every', '2200000'],
    ['--every', '-1'],
  ])('should not be others: %s %j', async (option, seconds) => {
    expect(await run('top', '--once', '--url', url, option, seconds)).toBe(64);
    expect(complained).toMatch(/expected (a number above 0|at most 2147483 seconds), got "/);
  });
});

describe('where a command is sent', () => {
  it.each(['http://[', 'ftp://router', '', 'router:port', 'http://'])(
    'should be an address: %j is none',
    async (to) => {
      expect(await run('lanes', '--url', to)).toBe(64);
      expect(complained).toContain(`--url: expected http://host:port, https://host:port or host:port, got "${to}"`);
    },
  );

  it.each([
    ['agents', 200, '<html>welcome</html>'],
    ['agents', 200, '{"hello":1}'],
    ['agents', 200, ''],
    ['lanes', 404, '<html>not found</html>'],
    ['lanes', 404, '{"hello":1}'],
    ['lanes', 200, 'null'],
    ['producers', 200, '[1]'],
    ['ping --region eu', 200, '[]'],
    ['ping --region eu', 200, '{"status":"ok"}'],
    ['triage --segment bus', 200, '"x"'],
    ['rolling --segment bus', 200, '7'],
    ['top --once --segment bus', 200, '{}'],
  ])('should be a router: hotfire indexbus %s, which meets %i %s', async (words, status, text) => {
    answer = { status, text };
    expect(await run(...words.split(' '), '--url', url)).toBe(2);
    expect(complained).toMatch(/^error: NO_ROUTER: .*answers, but not as a router does.*\n$/);
    expect(printed).toBe('');
  });

  it('should be a router and no control plane, where a segment is meant', async () => {
    answer = { status: 404, text: '{"error":{"code":"NOT_FOUND","message":"nothing there"}}' };
    expect(await run('lanes', '--url', url)).toBe(1);
    expect(complained).toContain('it is a control plane');
  });

  it('should be told as what stands before it says, where that has no answer of its router', async () => {
    answer = { status: 502, text: '<html>bad gateway</html>' };
    expect(await run('lanes', '--url', url)).toBe(1);
    expect(complained).toBe('error: HTTP_502: HTTP status 502\n');
  });
});

describe('what others have said', () => {
  const evil = 'a\u001b[2J\u009b1m\nb';
  const agent = {
    router_id: evil,
    state: evil,
    region: evil,
    segment: evil,
    host: evil,
    version: evil,
    duty: evil,
    last_report_ms: 1,
  };
  const plane = { address: evil, reachable: false, failure: evil };
  const health = { region: evil, status: evil, routers: [agent], control_plane: plane };
  const usage = { cpu_seconds: null, rss_bytes: null, drop: evil };
  const lane = { ...usage, lane_number: 0, name: evil, state: evil, verdict: evil, subscription: evil, depth: 0 };
  const roll = {
    segment: evil,
    generation: 2,
    waits_for: evil,
    lasts_ms: 1,
    waits_ms: 1,
    patience_ms: 1,
    gave_up: 0,
    waits: [{ kind: evil, seat: 0, name: evil, subscription: evil, pid: 1, state: evil, left: 1, waited_ms: 1 }],
  };

  it.each<[string, unknown]>([
    ['agents', [agent]],
    ['agents --json', [agent]],
    ['ping --region eu', health],
    ['ping --region eu', { ...health, control_plane: { ...plane, reachable: true, round_trip_ms: 1 } }],
    ['triage --segment bus', { side: 'none', evidence: [evil], next: [evil] }],
    ['rolling --segment bus', roll],
    ['lanes --segment bus', [lane]],
    ['lanes --segment bus --json', [lane]],
    ['detach 0 --segment bus', lane],
    ['roll lanes_max=4 --segment bus', { segment: evil, generation: 2 }],
  ])('should not reach a terminal as what it obeys: %s', async (words, value) => {
    answer = { status: 200, text: JSON.stringify(value) };
    await run(...words.split(' '), '--url', url);
    expect(complained).toBe('');
    expect(printed).toMatch(/a(\\u\{1b\}|\\u001b)\[2J(\\u\{9b\}|\\u009b)1m/);
    expect(printed.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('should not reach it as an error either', async () => {
    answer = { status: 422, text: JSON.stringify({ error: { code: evil, message: evil } }) };
    expect(await run('lanes', '--url', url)).toBe(1);
    expect(complained).toMatch(/^error: \P{C}*\n$/u);
  });
});
