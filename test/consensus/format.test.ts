import { expect, test } from 'vitest';
import { changerFile } from './datadriven/changerCases.ts';
import { parseCases } from './datadriven/format.ts';
import { interactionFile } from './datadriven/interactionCases.ts';
import { CommandFailed, Output } from './datadriven/output.ts';
import { difference } from './datadriven/run.ts';

test('should read directives, arguments, input, and output with and without blank lines', () => {
  const text = [
    '# a comment',
    '',
    'add-nodes 3 voters=(1, 2,3) index=10 \\',
    '  prevote=true',
    '----',
    'ok',
    '',
    'propose-conf-change 1',
    'v2 v3',
    '----',
    '----',
    'one',
    '',
    'two',
    '----',
    '----',
    '',
    'silent',
    '----',
    '',
  ].join('\n');
  expect(parseCases(text)).toEqual([
    {
      line: 3,
      command: 'add-nodes',
      args: [
        { key: '3', values: [] },
        { key: 'voters', values: ['1', '2', '3'] },
        { key: 'index', values: ['10'] },
        { key: 'prevote', values: ['true'] },
      ],
      input: '',
      expected: 'ok\n',
    },
    {
      line: 8,
      command: 'propose-conf-change',
      args: [{ key: '1', values: [] }],
      input: 'v2 v3',
      expected: 'one\n\ntwo\n',
    },
    { line: 18, command: 'silent', args: [], input: '', expected: '' },
  ]);
});

test('should say where a file does not follow the format', () => {
  expect(() => parseCases('campaign 1\nok\n')).toThrow('line 1: campaign 1: no ---- follows');
  expect(() => parseCases('x y=(1\n----\n')).toThrow('line 1');
});

test('should see a case that prints something else', () => {
  const run = changerFile();
  const [test] = parseCases('simple\nv1\n----\nvoters=(2)\n');
  if (test === undefined) throw new Error('there is a case');
  expect(run(test)).not.toBe(test.expected);
  expect(difference('same\nold\n', 'same\nnew\n')).toBe('  same\n- old\n+ new\n  ');
});

/** Prints what a script of commands prints. */
function play(script: string): string {
  const run = interactionFile();
  return parseCases(
    script
      .trim()
      .split('\n')
      .map((line) => `${line}\n----\n`)
      .join('\n'),
  )
    .map((test) => run(test))
    .join('\n');
}

test('should run storage threads one write at a time', () => {
  const printed = play(`
add-nodes 1 voters=(1) index=2 async-storage-writes=true
log-level error
campaign 1
process-ready 1
process-append-thread 1
process-append-thread 1
process-apply-thread 1
deliver-msgs 1
stabilize
raft-log 1`);
  expect(printed).toBe(
    [
      'INFO 1 switched to configuration voters=(1)',
      'INFO 1 became follower at term 0',
      'INFO newRaft 1 [peers: [1], term: 0, commit: 2, applied: 2, lastindex: 2, lastterm: 1]',
      '',
      'ok',
      'ok',
      'Ready MustSync=true:',
      'Lead:0 State:StateCandidate',
      'HardState Term:1 Vote:1 Commit:2',
      'Messages:',
      '1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:2 Vote:1 Responses:[',
      '  1->1 MsgVoteResp Term:1 Log:0/0',
      ']',
      '',
      'Processing:',
      '1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:2 Vote:1',
      'Responses:',
      '1->1 MsgVoteResp Term:1 Log:0/0',
      '',
      'no append work to perform',
      'no apply work to perform',
      '1->1 MsgVoteResp Term:1 Log:0/0',
      '',
      '> 1 handling Ready',
      '  Ready MustSync=true:',
      '  Lead:1 State:StateLeader',
      '  Entries:',
      '  1/3 EntryNormal ""',
      '  Messages:',
      '  1->AppendThread MsgStorageAppend Term:0 Log:0/0 Entries:[1/3 EntryNormal ""] Responses:[',
      '    1->1 MsgAppResp Term:1 Log:0/3',
      '    AppendThread->1 MsgStorageAppendResp Term:1 Log:1/3',
      '  ]',
      '> 1 processing append thread',
      '  Processing:',
      '  1->AppendThread MsgStorageAppend Term:0 Log:0/0 Entries:[1/3 EntryNormal ""]',
      '  Responses:',
      '  1->1 MsgAppResp Term:1 Log:0/3',
      '  AppendThread->1 MsgStorageAppendResp Term:1 Log:1/3',
      '> 1 receiving messages',
      '  1->1 MsgAppResp Term:1 Log:0/3',
      '  AppendThread->1 MsgStorageAppendResp Term:1 Log:1/3',
      '> 1 handling Ready',
      '  Ready MustSync=false:',
      '  HardState Term:1 Vote:1 Commit:3',
      '  CommittedEntries:',
      '  1/3 EntryNormal ""',
      '  Messages:',
      '  1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:3 Vote:1',
      '  1->ApplyThread MsgStorageApply Term:0 Log:0/0 Entries:[1/3 EntryNormal ""] Responses:[',
      '    ApplyThread->1 MsgStorageApplyResp Term:0 Log:0/0 Entries:[1/3 EntryNormal ""]',
      '  ]',
      '> 1 processing append thread',
      '  Processing:',
      '  1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:3 Vote:1',
      '  Responses:',
      '> 1 processing apply thread',
      '  Processing:',
      '  1->ApplyThread MsgStorageApply Term:0 Log:0/0 Entries:[1/3 EntryNormal ""]',
      '  Responses:',
      '  ApplyThread->1 MsgStorageApplyResp Term:0 Log:0/0 Entries:[1/3 EntryNormal ""]',
      '> 1 receiving messages',
      '  ApplyThread->1 MsgStorageApplyResp Term:0 Log:0/0 Entries:[1/3 EntryNormal ""]',
      '',
      '1/3 EntryNormal ""',
      '',
    ].join('\n'),
  );
});

test('should know every verb, and say so of one that it does not', () => {
  const printed = play(`
log-level none
add-nodes 3 voters=(1,2,3) index=10 inflight=4 content=foo checkquorum=true read-only=lease-based step-down-on-removal=true max-committed-size-per-ready=100
set-randomized-election-timeout 1 timeout=5
_breakpoint
campaign 1
stabilize log-level=none
propose 1 x
stabilize 1 2 3
log-level debug
forget-leader 2
report-unreachable 1 2
send-snapshot 1 3
deliver-msgs drop=(3) type=MsgSnap
transfer-leadership from=1 to=1
tick-heartbeat 1
tick-election 2
raft-state
status 2
compact 1 11
nonsense`);
  expect(printed.split('\n').filter((line) => line !== 'ok' && line !== '')).toEqual([
    'ERROR ignoring MsgForgetLeader due to ReadOnlyLeaseBased',
    'DEBUG 1 failed to send message to 2 because it is unreachable [StateProbe match=12 next=13]',
    '1->3 MsgSnap Term:1 Log:0/0',
    '  Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false',
    'dropped: 1->3 MsgSnap Term:1 Log:0/0',
    '  Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false',
    'DEBUG 1 is already leader. Ignored transferring leadership to self',
    'INFO 2 is starting a new election at term 1',
    'INFO 2 became candidate at term 2',
    'INFO 2 [logterm: 1, index: 12] sent MsgVote request to 1 at term 2',
    'INFO 2 [logterm: 1, index: 12] sent MsgVote request to 3 at term 2',
    '1: StateLeader (Voter) Term:1 Lead:1',
    '2: StateCandidate (Voter) Term:2 Lead:0',
    '3: StateFollower (Voter) Term:1 Lead:1',
    '1/12 EntryNormal "x"',
    'unknown command',
  ]);
});

test('should show what was written before an error, moved in like the rest', () => {
  const output = new Output();
  output.write('> 1 handling Ready\n');
  expect(() =>
    output.indented(() => {
      output.write('one\ntwo\n');
      throw new CommandFailed('refused');
    }),
  ).toThrow('refused');
  output.write('refused');
  expect(output.take()).toBe('> 1 handling Ready\n  one\n  two\nrefused');
});
