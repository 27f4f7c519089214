import { expect, test } from 'vitest';
import type { AdminClient, Console } from '../../../../src/engines/streambus/admin/commands/command.ts';
import { verifyDataIntegrity } from '../../../../src/engines/streambus/admin/commands/verifyDataIntegrity.ts';

const digest = { firstOffset: 0, endOffset: 9, batches: 3, bytes: 90, sha256: 'a'.repeat(64), damage: [] };
const behind = { behind: { end: 4, wanted: 9 } };
const error = (code: string) => ({
  status: code === 'NO_REPLICA' ? 404 : 503,
  body: { error: { code, message: code } },
});

/** Three replicas of one partition; the third answers what `third` says, one time after the other. */
async function verify(third: readonly unknown[]): Promise<{ exit: number; lines: string[]; sleptMs: number }> {
  let asked = 0;
  let sleptMs = 0;
  const lines: string[] = [];
  const client: AdminClient = {
    async request(_method, path, { to } = {}) {
      if (path === '/admin/partitions') {
        const row = { topic: 't', partition: 0, leader: 1, replicas: [1, 2, 3], start: 0, high_watermark: 9 };
        return { status: 200, body: { partitions: [row] } };
      }
      const result = to === 3 ? third[Math.min(asked++, third.length - 1)] : digest;
      if (typeof result === 'string') return error(result);
      return { status: 202, body: { job: 'digest-1', state: 'done', progress: 1, result } };
    },
  };
  const console: Console = {
    line: (text) => lines.push(text),
    now: () => sleptMs,
    sleep: async (ms) => {
      sleptMs += ms;
    },
    confirm: async () => true,
    read: async () => '',
    restart: async () => undefined,
  };
  const exit = await verifyDataIntegrity.run(client, console, { words: [], options: {} });
  return { exit, lines, sleptMs };
}

test.each([
  ['catches up', [behind, digest]],
  ['is opened', ['NO_REPLICA', behind, digest]],
])('a replica that %s meanwhile is asked again, and is not bad', async (_, third) => {
  const { exit, lines, sleptMs } = await verify(third);
  expect(lines).toEqual(['✓ t/0: 3 replicas alike, offsets 0 to 9, 3 batches, 90 bytes', '✓ 1 partitions verified']);
  expect(exit).toBe(0);
  expect(sleptMs).toBe((third.length - 1) * 5_000);
});

test('a replica that stays behind is told from one that is bad', async () => {
  expect(await verify([behind])).toMatchObject({
    exit: 2,
    lines: [
      '? t/0 on broker-3: behind: it ends at 4, before 9, and still catches up',
      '? 1 of 1 partitions have replicas that cannot be compared yet: try again',
    ],
  });
});

test('a replica that differs, is damaged or does not answer is bad at once', async () => {
  const damaged = { ...digest, damage: [{ reason: 'checksum', firstOffset: 3, lastOffset: 4 }] };
  for (const third of [{ ...digest, sha256: 'b'.repeat(64) }, damaged, 'BROKER_UNREACHABLE']) {
    const { exit, lines, sleptMs } = await verify([third]);
    expect(exit).toBe(1);
    expect(lines.at(-1)).toBe('✗ 1 of 1 partitions are not as they should be');
    expect(sleptMs).toBe(0);
  }
});
