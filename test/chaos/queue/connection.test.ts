import { describe, expect, test } from 'vitest';
import { parseRedisUrl, RedisError } from '../../../src/chaos/queue/connection.ts';

describe('the address of a Redis', () => {
  test.each([
    ['redis://queue', 'redis://queue:6379'],
    ['redis://queue/', 'redis://queue:6379'],
    ['rediss://worker:p%2Fq%40r@queue:7000/2', 'rediss://queue:7000/2'],
    ['redis://:secret@[::1]:6380', 'redis://[::1]:6380'],
  ])('should be read from %s, and shown without its password', (text, label) => {
    expect(parseRedisUrl(text)).toEqual({ url: text, label });
  });

  test.each([
    'redis://default:12/s3cret@queue:6379',
    'redis://u:7#s3cret@queue',
    'redis://u:7?s3cret@queue',
    'redis://u:p@s3cret@queue',
    'redis://u:1@2/s3cret@queue',
    'redis://queue:6379/s3cret',
    'redis://queue?password=s3cret',
    'http://:s3cret@queue',
    's3cret',
  ])('should be refused without repeating any of it: %s', (text) => {
    let error: unknown;
    try {
      parseRedisUrl(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RedisError);
    expect(String(error)).toContain('HOTFIRE_REDIS_PASSWORD');
    for (const part of ['s3cret', 'queue:', 'default', 'u:7']) expect(String(error)).not.toContain(part);
  });
});
