import { describe, expect, it } from 'vitest';
import { topicSettings } from '../../../../src/engines/streambus/meta/topicSettings.ts';

const refuse = (name: string, value: string) => topicSettings.get(name)?.refuse(value);

describe('whole numbers of topics', () => {
  it.each([
    ['retention.ms', '-1'],
    ['retention.ms', '9223372036854775807'],
    ['retention.bytes', '0'],
    ['segment.bytes', '1048576'],
    ['segment.bytes', '2147483648'],
  ])('%s takes %s', (name, value) => {
    expect(refuse(name, value)).toBeUndefined();
  });

  it.each([
    ['retention.ms', '-2', '-1 to 9223372036854775807'],
    ['retention.ms', '9223372036854775808', '-1 to 9223372036854775807'],
    ['retention.ms', '1e3', 'a whole number'],
    ['retention.ms', '', 'a whole number'],
    ['retention.bytes', '1.5', 'a whole number'],
    ['segment.bytes', '1048575', '1048576 to 2147483648'],
    ['segment.bytes', '2147483649', '1048576 to 2147483648'],
  ])('%s refuses %s', (name, value, words) => {
    expect(refuse(name, value)).toContain(words);
  });
});
