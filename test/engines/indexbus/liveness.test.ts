import { describe, expect, it } from 'vitest';
import { isJudged, judge } from '../../../src/engines/indexbus/liveness.ts';
import { SeatState, type SeatStateName } from '../../../src/engines/indexbus/seat.ts';
import type { LivenessEvidence } from '../../../src/host/sharedMemory.ts';

const none = { deadByTimeout: false, startTimeIgnored: false, lockIgnored: false };

/** Lock, process, verdict, proof: the table of the contract, and what it leaves to reason. */
const table: readonly (readonly [LivenessEvidence['lock'], LivenessEvidence['process'], string, string])[] = [
  ['held', 'running', 'alive', 'lock and process'],
  ['held', 'unknown', 'alive', 'lock'],
  ['held', 'gone', 'doubtful', 'lock leaked'],
  ['held', 'other', 'doubtful', 'lock leaked'],
  ['held', 'zombie', 'doubtful', 'lock leaked'],
  ['free', 'gone', 'dead', 'lock and process'],
  ['free', 'other', 'dead', 'lock and process'],
  ['free', 'zombie', 'dead', 'lock and process'],
  ['free', 'unknown', 'dead', 'lock'],
  ['free', 'running', 'doubtful', 'lock lost'],
];

describe('the judgement on a holder', () => {
  for (const [lock, process, verdict, proof] of table) {
    it(`with the lock ${lock} and its process ${process} is ${verdict}, however long it was silent`, () => {
      for (const state of ['ready', 'live', 'fenced'] as const) {
        for (const silentMs of [0, 1e9]) {
          expect(judge({ lock, process }, state, silentMs)).toEqual({ verdict, proof });
        }
      }
    });
  }

  it('of a seat that is only claimed goes by the lock alone: who it is may be the former holder’s', () => {
    for (const process of ['running', 'zombie', 'gone', 'other', 'unknown'] as const) {
      expect(judge({ lock: 'held', process }, 'claimed').verdict).toBe('alive');
      expect(judge({ lock: 'free', process }, 'claimed').verdict).toBe('dead');
    }
  });

  it('of a seat whose holder said that it leaves waits for it to ring, and is that it has gone where nobody can: it writes nothing any more', () => {
    for (const process of ['zombie', 'gone', 'other'] as const) {
      expect(judge({ lock: 'held', process }, 'leaving').verdict).toBe('dead');
    }
    for (const process of ['running', 'unknown'] as const) {
      expect(judge({ lock: 'held', process }, 'leaving').verdict).toBe('alive');
    }
    for (const process of ['running', 'zombie', 'gone', 'other', 'unknown'] as const) {
      expect(judge({ lock: 'free', process }, 'leaving').verdict).toBe('dead');
    }
  });

  it('is made while the holder may still write, or has to ring', () => {
    const judged = (Object.keys(SeatState) as SeatStateName[]).filter(isJudged);
    expect(judged).toEqual(['claimed', 'ready', 'live', 'leaving', 'fenced']);
  });
});

describe('a planted bug', () => {
  const stopped = { lock: 'held', process: 'running' } as const;
  const reused = { lock: 'free', process: 'other' } as const;
  const lostLock = { lock: 'free', process: 'running' } as const;

  it('dead-by-timeout takes a silent holder for dead', () => {
    const mutants = { ...none, deadByTimeout: true };
    expect(judge(stopped, 'live', 4999, mutants).verdict).toBe('alive');
    expect(judge(stopped, 'live', 5000, mutants)).toEqual({ verdict: 'dead', proof: 'silence' });
  });

  it('start-time-ignored takes whoever has the pid for the holder', () => {
    expect(judge(reused, 'live', 0, { ...none, startTimeIgnored: true }).verdict).toBe('doubtful');
    expect(judge({ lock: 'held', process: 'other' }, 'live', 0, { ...none, startTimeIgnored: true }).verdict).toBe(
      'alive',
    );
  });

  it('lock-ignored goes by the process alone', () => {
    const mutants = { ...none, lockIgnored: true };
    expect(judge(lostLock, 'live', 0, mutants).verdict).toBe('alive');
    expect(judge({ lock: 'held', process: 'zombie' }, 'live', 0, mutants).verdict).toBe('dead');
  });
});
