import { describe, expect, test } from 'vitest';
import { changedKeys } from '../../../src/engines/configChanges.ts';
import { RELOADABLE_KEYS, stemeConfigSchema, witnessDirectory } from '../../../src/engines/stemedb/config.ts';

describe('configuration', () => {
  test('has every default', () => {
    const config = stemeConfigSchema.parse({});
    expect(config.server).toEqual({ bind: '127.0.0.1:18180', request_timeout_ms: 30_000, max_body_bytes: 1_048_576 });
    expect(config.wal.dir).toBe('/var/lib/stemedb/wal');
    expect(witnessDirectory(config)).toBe('/var/lib/stemedb/db/witness');
    expect([config.wal.group_commit_max_wait_ms, config.wal.group_commit_max_bytes]).toEqual([10, 1_048_576]);
    expect([config.drain.lame_duck_ms, config.drain.timeout_ms]).toEqual([5_000, 60_000]);
  });

  test.each<[string, object]>([
    ['unknown section', { walls: {} }],
    ['unknown key', { wal: { group_commit_max_wait: 10 } }],
    ['wait out of range', { wal: { group_commit_max_wait_ms: 1_001 } }],
    ['segments below four records', { wal: { segment_bytes: 2 ** 21, max_record_bytes: 2 ** 20 } }],
    ['segments that are no whole pages', { wal: { segment_bytes: 2 ** 26 + 1 } }],
    ['log smaller than two segments', { wal: { max_bytes: 2 ** 26 } }],
    ['relative directory', { wal: { dir: 'wal' } }],
    ['address beyond loopback without TLS and tokens', { server: { bind: '0.0.0.0:18180' } }],
    ['store in the directory of the log', { wal: { dir: '/a/wal' }, store: { dir: '/a/wal/' } }],
    ['witness in the directory of the log', { wal: { dir: '/a/wal', witness_dir: '/a/wal' } }],
    ['time-out as text', { server: { request_timeout_ms: '30s' } }],
  ])('is refused for its %s', (_, config) => expect(stemeConfigSchema.safeParse(config).success).toBe(false));

  test.each(['127.0.0.1:99999', '127.0.0.1:80:80', '::1:80', 'localhost', ':80'])(
    'says of bind %s what is wrong, and that alone',
    (bind) => {
      const { error } = stemeConfigSchema.safeParse({ server: { bind } });
      expect(error?.issues.map(({ path, message }) => [path.join('.'), message])).toEqual([
        ['server.bind', expect.stringMatching(/^expected host:port, port 0\.\.65535, .*, got ".*"$/)],
      ]);
    },
  );

  test.each(['127.0.0.1:0', '127.1.2.3:65535', 'localhost:1', '[::1]:80'])('takes bind %s without TLS', (bind) => {
    expect(stemeConfigSchema.safeParse({ server: { bind } }).success).toBe(true);
  });

  test('takes an address beyond loopback with TLS and tokens', () => {
    const server = { bind: '0.0.0.0:18180', tls: { cert: '/c', key: '/k' }, tokens_file: '/t' };
    expect(stemeConfigSchema.safeParse({ server }).success).toBe(true);
  });

  test('names what changed, by dotted key', () => {
    const before = stemeConfigSchema.parse({});
    const after = stemeConfigSchema.parse({
      wal: { group_commit_max_wait_ms: 5, segment_bytes: 2 ** 25 },
      rate_limit: { endpoints: { assert: 5 } },
    });
    expect(changedKeys(before, after)).toEqual([
      'rate_limit.endpoints.assert',
      'wal.group_commit_max_wait_ms',
      'wal.segment_bytes',
    ]);
    expect(changedKeys(before, after).filter((key) => RELOADABLE_KEYS.has(key))).toHaveLength(2);
  });
});
