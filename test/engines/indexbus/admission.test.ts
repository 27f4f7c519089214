import { describe, expect, it } from 'vitest';
import { Admission, admit } from '../../../src/engines/indexbus/admission.ts';

describe('admission to a lane that evicts', () => {
  const verdict = (held: number, share: number) => admit(false, true, held, 8, 0, held, share);

  it('makes room where its share of a pool is used up', () => {
    expect(verdict(3, 4)).toBe(Admission.place);
    expect(verdict(4, 4)).toBe(Admission.evict);
  });

  it('refuses where it has no share at all: nothing that it throws away would make room', () => {
    expect(verdict(0, 0)).toBe(Admission.dropPool);
    expect(verdict(2, 0)).toBe(Admission.dropPool);
  });
});
