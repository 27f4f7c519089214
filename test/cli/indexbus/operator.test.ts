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
    expect(complained).toBe(`error: NO_ANSWER: http://${url} does not answer: not within 0.02 s\n`);
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
