import { readFileSync } from 'node:fs';
import { Agent, fetch } from 'undici';
import { noRouter, type RouterClient, RouterError } from '../../engines/indexbus/operatorCommands.ts';
import type { Method } from '../../engines/route.ts';
import { UsageError } from '../exit.ts';

export interface ClientOptions {
  /** `http://host:port`, or `host:port`. */
  readonly url: string;
  /** File whose first word is a token. */
  readonly tokenFile: string | undefined;
  /** File of authorities to trust, PEM. */
  readonly caFile: string | undefined;
  readonly timeoutMs: number;
}

/** A router's HTTP. @throws UsageError for an address that is none, and for files that cannot be read */
export function createRouterClient({ url, tokenFile, caFile, timeoutMs }: ClientOptions): RouterClient {
  const base = baseOf(url);
  const token = tokenFile === undefined ? undefined : read(tokenFile, '--token-file').trim().split(/\s+/)[0];
  const dispatcher = caFile === undefined ? undefined : new Agent({ connect: { ca: read(caFile, '--ca') } });
  return {
    async ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
      let status: number;
      let text: string;
      try {
        const response = await fetch(`${base}${path}`, {
          method,
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          ...(dispatcher === undefined ? {} : { dispatcher }),
          signal: AbortSignal.timeout(timeoutMs),
        });
        status = response.status;
        text = await response.text();
      } catch (error) {
        throw new RouterError('NO_ANSWER', undefined, `${base} does not answer: ${noAnswer(error, timeoutMs)}`);
      }
      const parsed = parse(text);
      if (status < 400 && parsed === undefined) throw noRouter(`${base}${path}: expected JSON`);
      if (status < 400) return parsed as T; // the routes' own shapes
      const { error } = (parsed ?? {}) as { readonly error?: { readonly code?: string; readonly message?: string } };
      // A router that does not know a path says so in its own words.
      if (status === 404 && error?.code === undefined) throw noRouter(`${base}${path}: HTTP status 404`);
      throw new RouterError(error?.code ?? `HTTP_${status}`, status, error?.message ?? `HTTP status ${status}`);
    },
  };
}

function baseOf(url: string): string {
  const base = (url.includes('://') ? url : `http://${url}`).replace(/\/+$/, '');
  if (/^https?:\/\//.test(base) && URL.canParse(base)) return base;
  throw new UsageError(`--url: expected http://host:port, https://host:port or host:port, got ${JSON.stringify(url)}`);
}

/** What a text says as JSON; undefined where it is none. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function read(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option} ${file}: ${reasonOf(error)}`);
  }
}

/** Why nobody has answered. What the time-out of a request ends with has a number for a code. */
function noAnswer(error: unknown, timeoutMs: number): string {
  const isLate = error instanceof Error && error.name === 'TimeoutError';
  if (!isLate) return reasonOf(error);
  const look = 'ps shows T then: kill it; hotfire indexbus inspect reads its segment without it';
  return `not within ${timeoutMs / 1_000} s: it may be stopped (SIGSTOP, a debugger; ${look}), or busy`;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (typeof cause === 'object' && cause !== null && 'code' in cause) return String(cause.code);
  return cause instanceof Error ? cause.message : String(cause);
}
