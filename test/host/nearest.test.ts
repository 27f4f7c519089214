import { describe, expect, it } from 'vitest';
import { editDistance, nearestWord } from '../../src/host/nearest.ts';

describe('nearest word', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['recieve', 'receive', 1],
    ['WAL', 'wal', 0],
    ['abc', 'abc', 0],
  ])('should count the edits from %j to %j', (a, b, edits) => {
    expect(editDistance(a, b)).toBe(edits);
    expect(editDistance(b, a)).toBe(edits);
  });

  it('should name the closest candidate, the first of equals', () => {
    expect(nearestWord('segment_byte', ['segment_bytes', 'max_bytes'])).toBe('segment_bytes');
    expect(nearestWord('ac', ['ab', 'ad'])).toBe('ab');
  });

  it('should stay silent when nothing is near', () => {
    expect(nearestWord('replicas', ['segment_bytes', 'max_bytes'])).toBeUndefined();
  });
});
