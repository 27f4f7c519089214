import { Redis } from 'ioredis';

/** Where a Redis is, and what may be printed of it. */
export interface RedisAddress {
  /** With everything that is secret: for the client alone. */
  readonly url: string;
  /** Scheme, host, port and database, without user and password: for people. */
  readonly label: string;
  readonly password?: string;
}

/** The Redis cannot be used: its address makes no sense, it does not let us in, or it did not answer in time. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
  readonly kind: 'address' | 'refused' | 'unreachable';

  constructor(kind: RedisError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/**
 * Reads `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. A password given apart wins over one in
 * the URL.
 *
 * @throws RedisError of kind `address`, whose message does not repeat the text: a password may stand in it
 */
export function parseRedisUrl(text: string, password?: string): RedisAddress {
  const url = URL.parse(text);
  const database = url === null || url.pathname === '/' ? '' : url.pathname;
  // A character of a password that is not escaped ends what a URL takes for host or password: the rest is found behind it.
  const isPlain = url !== null && url.search === '' && url.hash === '' && /^[^@]*@?[^@]*$/.test(text);
  if (!isPlain || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '' || !/^(\/\d+)?$/.test(database))
    throw new RedisError(
      'address',
      'expected a Redis as redis://host:6379 or rediss://host:6379, with a database as /1 behind it if need be, got something else; in a password write / @ # ? as %2F %40 %23 %3F, or give it as HOTFIRE_REDIS_PASSWORD. The text is not repeated here, a password may be in it',
    );
  return {
    url: text,
    label: `${url.protocol}//${url.hostname}:${url.port === '' ? '6379' : url.port}${database}`,
    ...(password === undefined || password === '' ? {} : { password }),
  };
}

/** How long the first connection may take, in milliseconds, before the address is taken for wrong. */
const firstAnswerMs = 30_000;

/** Answers of a Redis that will not change by asking again. */
const refusal = /^(WRONGPASS|NOAUTH|NOPERM|ERR .*(password|AUTH|DB index))/i;

/** What to do about them. */
const passwordHint = 'set HOTFIRE_REDIS_PASSWORD, or write redis://USER:PASSWORD@HOST as --redis';

/** Longest pause between two attempts to connect again, in milliseconds. */
const pauseMsMax = 2_000;

/**
 * Connects. A connection that is lost later is made again for as long as it takes, with a line for people when it goes
 * and when it is back; commands wait meanwhile.
 *
 * @throws RedisError when it does not let us in, or does not answer within 30 s
 */
export async function openRedis(address: RedisAddress, say: (line: string) => void): Promise<Redis> {
  const redis = new Redis(address.url, {
    ...(address.password === undefined ? {} : { password: address.password }),
    // A command waits for the connection instead of failing: BullMQ demands it of its workers.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), pauseMsMax),
    connectTimeout: 10_000,
    enableAutoPipelining: true,
  });
  let lastError: Error | undefined;
  await new Promise<void>((resolve, reject) => {
    const settle = (end: () => void) => {
      clearTimeout(timer);
      redis.off('ready', onReady).off('error', onError);
      end();
    };
    const fail = (error: RedisError) =>
      settle(() => {
        redis.disconnect();
        redis.on('error', () => {});
        reject(error);
      });
    const onReady = () => settle(resolve);
    const onError = (error: Error) => {
      const refused = refusal.test(error.message);
      if (lastError === undefined && !refused)
        say(`${address.label}: ${reasonOf(error)}; trying for ${firstAnswerMs / 1000} s`);
      lastError = error;
      if (refused)
        fail(
          new RedisError('refused', `${address.label} does not let us in: ${error.message}; ${passwordHint}`, {
            cause: error,
          }),
        );
    };
    const timer = setTimeout(
      () =>
        fail(
          new RedisError(
            'unreachable',
            `expected a Redis at ${address.label}, got no answer in ${firstAnswerMs / 1000} s${lastError === undefined ? '' : ` (${reasonOf(lastError)})`}`,
            { cause: lastError },
          ),
        ),
      firstAnswerMs,
    );
    redis.on('ready', onReady).on('error', onError);
  });
  watch(redis, address, say);
  return redis;
}

/** Says once that the connection is gone, and once that it is back. */
function watch(redis: Redis, address: RedisAddress, say: (line: string) => void): void {
  let lostAt: number | undefined;
  redis.on('error', () => {}); // each failed attempt; `close` has told of the first
  redis.on('close', () => {
    if (lostAt !== undefined) return;
    lostAt = Date.now();
    // A client that was told to end closes, too: it has ended a moment later.
    setTimeout(() => {
      if (redis.status !== 'end') say(`${address.label}: connection lost; trying again until it is back`);
    }, 10);
  });
  redis.on('ready', () => {
    if (lostAt === undefined) return;
    say(`${address.label}: connected again after ${((Date.now() - lostAt) / 1000).toFixed(1)} s`);
    lostAt = undefined;
  });
}

function reasonOf(error: Error): string {
  return error.message === '' ? error.name : error.message;
}
