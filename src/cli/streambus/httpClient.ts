import { readFileSync } from 'node:fs';
import { Agent, fetch } from 'undici';
import { type AdminAnswer, type AdminClient, NoAnswer } from '../../engines/streambus/admin/commands/command.ts';
import { UsageError } from '../exit.ts';

/** How brokers are reached over HTTP. */
export interface HttpClientOptions {
  /** `host:port` or an URL, in the order in which they are tried. */
  readonly brokers: readonly string[];
  /** File with a token; undefined: none is sent. */
  readonly tokenFile: string | undefined;
  /** PEM of authorities to trust beside the machine's. */
  readonly caFile: string | undefined;
  readonly timeoutMs: number;
}

/** The administration of brokers over HTTP: the first that can be reached answers, or has another one answer. */
export function createHttpClient(options: HttpClientOptions): AdminClient {
  const bases = options.brokers.map((broker) => (/^https?:\/\//.test(broker) ? broker : `http://${broker}`));
  const token = options.tokenFile === undefined ? undefined : readToken(options.tokenFile);
  const dispatcher =
    options.caFile === undefined ? undefined : new Agent({ connect: { ca: readNamed('--ca', options.caFile) } });
  /** The one that answered last is asked first. */
  let preferred = 0;

  async function send(base: string, path: string, init: { method: string; body?: string }): Promise<AdminAnswer> {
    const response = await fetch(`${base}${path}`, {
      method: init.method,
      headers: {
        ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(init.body === undefined ? {} : { body: init.body }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, body: isJson ? (JSON.parse(text) as unknown) : text };
  }

  return {
    async request(method, path, { query = {}, body, to } = {}) {
      const parameters = new URLSearchParams({ ...query, ...(to === undefined ? {} : { broker: String(to) }) });
      const suffix = parameters.size === 0 ? '' : `?${parameters}`;
      const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const failures: string[] = [];
      for (let tried = 0; tried < bases.length; tried++) {
        const at = (preferred + tried) % bases.length;
        const base = bases[at] ?? '';
        try {
          const answer = await send(base, `${path}${suffix}`, init);
          preferred = at;
          return answer;
        } catch (error) {
          failures.push(`${base}: ${reasonOf(error)}`);
          // A request that changes something may have arrived: only one that never left is tried elsewhere.
          if (method !== 'GET' && !wasRefused(error)) break;
        }
      }
      throw new NoAnswer(`no broker answered (${failures.join('; ')})`);
    },
  };
}

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;
}

function wasRefused(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'].includes(codeOf(error) ?? '');
}

function reasonOf(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.message : String(error));
}

/** The first token of a file: lines are `token role[,role]`, or the token alone. */
function readToken(file: string): string {
  const line = readNamed('--token-file', file)
    .split('\n')
    .find((candidate) => candidate.trim() !== '' && !candidate.startsWith('#'));
  const [token] = line?.trim().split(/\s+/) ?? [];
  if (token === undefined) throw new UsageError(`--token-file ${file}: expected a token, the file has none`);
  return token;
}

/** The text of a file that an option names. @throws UsageError */
function readNamed(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option} ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
