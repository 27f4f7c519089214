import { expect, test } from 'vitest';
import { draftMessage } from '../../../../src/consensus/message.ts';
import { Probation } from '../../../../src/engines/streambus/broker/probation.ts';
import type { ReplicaBody } from '../../../../src/engines/streambus/broker/replicaBody.ts';

/** A replica on probation that holds nothing yet; its leader says at once that probation ends at entry 7. */
function nothingYet() {
  const seen = { asked: 0, nowMs: 0 };
  const body = {
    group: 3,
    spec: { generation: 1 },
    signal: new AbortController().signal,
    node: { lastIndex: 0 },
    applies: { last: { index: 0 } },
    appends: { awaitsSnapshot: false },
    context: {
      host: {
        clock: { now: () => seen.nowMs },
        telemetry: { mutant: () => false, logger: { warn: () => undefined, info: () => undefined } },
      },
      probationChanged: () => undefined,
      askBarrier: async () => {
        seen.asked++;
        return 7;
      },
    },
  };
  // It uses these alone.
  return { probation: new Probation(body as unknown as ReplicaBody, true), seen };
}

test('a leader that counts on what is not here, some time after it was asked, is asked again', async () => {
  const { probation, seen } = nothingYet();
  await probation.findBarrier();
  const word = { ...draftMessage('MsgHeartbeat', 1, 2, 4), commit: 5 };
  // Sent before the leader was asked, as like as not.
  seen.nowMs = 500;
  expect(probation.admit(word)?.commit).toBe(0);
  expect(seen.asked).toBe(1);
  seen.nowMs = 1_000;
  expect(probation.admit({ ...word, commit: 0 })?.commit).toBe(0);
  expect(seen.asked).toBe(1);
  expect(probation.admit(word)?.commit).toBe(0);
  expect(probation.admit(word)?.commit).toBe(0);
  await Promise.resolve();
  expect(seen.asked).toBe(2);
  seen.nowMs = 1_999;
  probation.admit(word);
  expect(seen.asked).toBe(2);
});

test('nothing that asks for the vote is taken', () => {
  const { probation } = nothingYet();
  for (const type of ['MsgVote', 'MsgPreVote', 'MsgTimeoutNow'] as const) {
    expect(probation.admit(draftMessage(type, 1, 2, 4))).toBeUndefined();
  }
  const entries = draftMessage('MsgApp', 1, 2, 4);
  expect(probation.admit(entries)).toBe(entries);
});
