import { expect, test } from 'vitest';
import { describeMessage, describeReady, quoted } from '../../src/consensus/describe.ts';
import { describeEvent } from '../../src/consensus/describeEvent.ts';
import type { Ready } from '../../src/consensus/types.ts';
import { appendThread } from '../../src/consensus/types.ts';
import { confStateOf, entry, message } from './support/network.ts';
import { bytes } from './support/settings.ts';

test('should quote data so that every byte can be told', () => {
  expect(quoted(bytes('plain "text"\n'))).toBe(String.raw`"plain \"text\"\n"`);
  expect(quoted(bytes('é ☺ \u200b'))).toBe(String.raw`"é ☺ \u200b"`);
  expect(quoted(Uint8Array.of(0, 7, 0x7f, 0xff, 0xe2, 0x98))).toBe(String.raw`"\x00\a\x7f\xff\xe2\x98"`);
});

test('should show a message to storage with what it answers, indented', () => {
  const append = message('MsgStorageAppend', 1, appendThread, 2, {
    commit: 3,
    vote: 1,
    entries: [entry(4, 2, 'a'), entry(5, 2)],
    responses: [message('MsgAppResp', 1, 10, 2, { index: 5, reject: true, rejectHint: 3 })],
  });
  expect(describeMessage(append)).toBe(
    [
      '1->AppendThread MsgStorageAppend Term:2 Log:0/0 Commit:3 Vote:1 Entries:[',
      '  2/4 EntryNormal "a"',
      '  2/5 EntryNormal ""',
      '] Responses:[',
      '  1->a MsgAppResp Term:2 Log:0/5 Rejected (Hint: 3)',
      ']',
    ].join('\n'),
  );
});

test('should show what is in a Ready, and that nothing is', () => {
  const empty: Ready = {
    softState: undefined,
    hardState: undefined,
    readStates: [],
    entries: [],
    snapshot: undefined,
    committedEntries: [],
    messages: [],
    mustSync: false,
  };
  expect(describeReady(empty)).toBe('<empty Ready>');
  const words = describeReady({ ...empty, readStates: [{ index: 12, context: bytes('ab') }], entries: [entry(1, 1)] });
  expect(words).toBe('Ready MustSync=false:\nReadStates [{12 [97 98]}]\nEntries:\n1/1 EntryNormal ""\n');
});

test('should write ids in hexadecimal where members speak, and in decimal in configurations', () => {
  const configuration = { incoming: [10, 300], outgoing: [], learners: [4], learnersNext: [], autoLeave: false };
  expect(describeEvent({ kind: 'configuration-switched', id: 300, configuration }).text).toBe(
    '12c switched to configuration voters=(10 300) learners=(4)',
  );
});

test('should show every field of what was refused', () => {
  const configuration = { incoming: [1], outgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const reason = 'must transition out of joint config first';
  const changes = [
    { version: 1, type: 'add-node', node: 3, context: bytes('') },
    {
      version: 2,
      transition: 'joint-explicit',
      changes: [
        { type: 'remove-node', node: 1 },
        { type: 'add-learner', node: 2 },
      ],
      context: Uint8Array.of(7, 8),
    },
  ] as const;
  expect(
    changes.map((change) => describeEvent({ kind: 'change-ignored', id: 1, change, configuration, reason }).text),
  ).toEqual([
    `1 ignoring conf change {ConfChangeAddNode 3 [] 0} at config voters=(1): ${reason}`,
    `1 ignoring conf change {ConfChangeTransitionJointExplicit [{ConfChangeRemoveNode 1} {ConfChangeAddLearnerNode 2}] [7 8]} at config voters=(1): ${reason}`,
  ]);
  expect(describeEvent({ kind: 'snapshot-without-me', id: 1, confState: confStateOf([2, 3], [4]) }).text).toBe(
    '1 attempted to restore snapshot but it is not in the ConfState {[2 3] [4] [] [] false}; should never happen',
  );
});
