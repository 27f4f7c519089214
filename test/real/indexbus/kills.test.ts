import { describe, expect, test, vi } from 'vitest';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { describeNative } from '../shm/needsNative.ts';
import { type Account, account } from './support/accounts.ts';
import { runSession } from './support/session.ts';

/** Kills in all; more than a dozen go into sessions of twenty. `npm run proof:indexbus` sets it. */
const kills = Number(process.env.HOTFIRE_KILLS ?? 12);
const seed = Number(process.env.HOTFIRE_KILL_SEED ?? 1);
const perSession = 20;

vi.setConfig({ testTimeout: Math.max(60_000, kills * 6_000) });

describeNative('processes of a bus that are killed and stopped', (addon) => {
  describe.each(sessions())('seed $seed, $kills kills', (plan) => {
    test('nothing is torn, nothing comes twice, no slot is lost, and the accounts are exact', () =>
      inMemoryDirectory(async (directory) => {
        const result = await runSession(addon, directory, plan);
        const told: Account = account(result);
        console.log(JSON.stringify({ ...plan, kills: result.kills, ...told }));
        expect(told.findings).toEqual([]);
        expect(result.kills.router + result.kills.producer + result.kills.consumer).toBeGreaterThanOrEqual(plan.kills);
        expect(told.messages).toBeGreaterThan(500);
      }));
  });
});

function sessions() {
  const plans = [];
  for (let left = kills, index = 0; left > 0; left -= perSession, index += 1) {
    plans.push({ seed: seed + index, kills: Math.min(left, perSession), pauses: true });
  }
  return plans;
}
