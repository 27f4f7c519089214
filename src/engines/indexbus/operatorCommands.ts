import type { Method } from '../route.ts';
import type { AgentView } from './agents.ts';
import type { Bottleneck } from './http/bottleneck.ts';
import type { ControlPlaneState } from './report.ts';
import type { RollView } from './roller.ts';
import type { LaneView, ProducerView } from './views.ts';

/** What operators ask a router and have it do, as commands: the command line prints the answers, the stand has operators type them. */

/** Exit codes: done or good; bad or refused; nobody answered; wrong words. */
export const Exit = { good: 0, bad: 1, undecided: 2, usage: 64 } as const;

/** A router, or nobody, has refused or not answered. */
export class RouterError extends Error {
  override readonly name = 'RouterError';
  readonly code: string;
  /** Of HTTP; undefined where nobody answered. */
  readonly status: number | undefined;
  constructor(code: string, status: number | undefined, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }

  /** Exit code of the command that met it. */
  get exit(): number {
    return this.status === undefined ? Exit.undecided : Exit.bad;
  }
}

/** The error for an answer that no router gives. */
export function noRouter(what: string): RouterError {
  return new RouterError('NO_ROUTER', undefined, `what is there answers, but not as a router does: ${what}`);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** An answer that is to be a list of objects. @throws RouterError for what is none: another server has the port */
export function listOf<T extends object>(path: string, answer: readonly T[]): readonly T[] {
  if (Array.isArray(answer) && answer.every(isObject)) return answer;
  throw noRouter(`${path}: expected a list`);
}

/** An answer that is to be an object. @throws RouterError for what is none */
export function objectOf<T extends object>(path: string, answer: T): T {
  if (isObject(answer)) return answer;
  throw noRouter(`${path}: expected an object`);
}

/** Wrong words or options. */
export class CommandUsage extends Error {
  override readonly name = 'CommandUsage';
}

/** How the commands reach a router. */
export interface RouterClient {
  /** The body of a good answer. Rejects with `RouterError`. */
  ask<T>(method: Method, path: string, body?: unknown): Promise<T>;
}

/** What a command was called with. */
export interface CommandInput {
  readonly words: readonly string[];
  /** Segment that is meant; undefined: the one that the router has. */
  readonly segment: string | undefined;
  /** Of the other options. */
  readonly options: Readonly<Record<string, string>>;
}

/** What a command found, and its exit code. */
export interface Answer<T> {
  readonly value: T;
  readonly exit: number;
}

/** A command of `hotfire indexbus` that asks a router. Rejects with `RouterError`, `CommandUsage`. */
export type OperatorCommand<T> = (client: RouterClient, input: CommandInput) => Promise<Answer<T>>;

/** How a region is, as its routers and the control plane tell it. */
export interface RegionHealth {
  readonly region: string;
  readonly status: string;
  readonly routers: readonly AgentView[];
  readonly control_plane: ControlPlaneState | null;
}

/** The segment that is meant, with the path of its routes. */
export async function segmentPath(
  client: RouterClient,
  given: string | undefined,
): Promise<{ readonly name: string; readonly path: string }> {
  const name = given ?? (await segmentsOf(client))[0]?.segment;
  if (name === undefined) {
    throw new RouterError('UNKNOWN', 404, 'this process has no segment, it is a control plane: ask a router (--url)');
  }
  return { name, path: `/v1/segments/${encodeURIComponent(name)}` };
}

/** Segments of a process; none of a control plane, which does not know the question. */
async function segmentsOf(client: RouterClient): Promise<readonly { readonly segment: string }[]> {
  try {
    const path = '/v1/segments';
    return listOf(path, await client.ask<readonly { segment: string }[]>('GET', path));
  } catch (error) {
    if (error instanceof RouterError && error.status === 404) return [];
    throw error;
  }
}

/** `key=value` words as a body: numbers as numbers. */
export function bodyOfWords(words: readonly string[]): Record<string, string | number> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw new CommandUsage(`expected key=value, got ${JSON.stringify(word)}`);
      const value = word.slice(at + 1);
      return [word.slice(0, at), /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value];
    }),
  );
}

function named(words: readonly string[], what: string): string {
  const [word] = words;
  if (word === undefined) throw new CommandUsage(`expected ${what}`);
  return encodeURIComponent(word);
}

const good = <T>(value: T): Answer<T> => ({ value, exit: Exit.good });

/** Which side is the bottleneck; bad where there is one. */
export const triage: OperatorCommand<Bottleneck> = async (client, { segment }) => {
  const { path } = await segmentPath(client, segment);
  const value = objectOf(path, await client.ask<Bottleneck>('GET', `${path}/bottleneck`));
  return { value, exit: value.side === 'none' ? Exit.good : Exit.bad };
};

export const lanes: OperatorCommand<readonly LaneView[]> = async (client, { segment }) => {
  const { path } = await segmentPath(client, segment);
  return good(listOf(path, await client.ask<readonly LaneView[]>('GET', `${path}/lanes`)));
};

export const producers: OperatorCommand<readonly ProducerView[]> = async (client, { segment }) => {
  const { path } = await segmentPath(client, segment);
  return good(listOf(path, await client.ask<readonly ProducerView[]>('GET', `${path}/producers`)));
};

/** `LANE key=value …`: changes a lane while it lives. */
export const setLane: OperatorCommand<LaneView> = async (client, { segment, words }) => {
  const lane = named(words, 'a lane: its number, or the name of its consumer');
  const { path } = await segmentPath(client, segment);
  return good(
    objectOf(path, await client.ask<LaneView>('PATCH', `${path}/lanes/${lane}`, bodyOfWords(words.slice(1)))),
  );
};

/** `SEAT key=value …`: limits a producer. */
export const setProducer: OperatorCommand<ProducerView> = async (client, { segment, words }) => {
  const seat = named(words, 'a producer: its seat, or its name');
  const { path } = await segmentPath(client, segment);
  return good(
    objectOf(path, await client.ask<ProducerView>('PATCH', `${path}/producers/${seat}`, bodyOfWords(words.slice(1)))),
  );
};

/** `LANE`: takes it from its consumer. */
export const detach: OperatorCommand<LaneView> = async (client, { segment, words }) => {
  const lane = named(words, 'a lane: its number, or the name of its consumer');
  const { path } = await segmentPath(client, segment);
  return good(objectOf(path, await client.ask<LaneView>('POST', `${path}/lanes/${lane}/detach`, {})));
};

/** The routers of `--environment`; bad where one is not online. */
export const agents: OperatorCommand<readonly AgentView[]> = async (client, { options }) => {
  const path = `/v1/environments/${encodeURIComponent(options.environment ?? 'default')}/agents`;
  const value = listOf(path, await client.ask<readonly AgentView[]>('GET', path));
  return { value, exit: value.every(({ state }) => state === 'online') ? Exit.good : Exit.bad };
};

/** How `--region` is; bad where a router of it is not online, or the control plane is not reached from the one that is asked. */
export const ping: OperatorCommand<RegionHealth> = async (client, { options }) => {
  const { region } = options;
  if (region === undefined) throw new CommandUsage('expected --region NAME');
  const path = `/v1/regions/${encodeURIComponent(region)}/health`;
  const value = objectOf(path, await client.ask<RegionHealth>('GET', path));
  listOf(path, value.routers);
  const reached = value.control_plane?.reachable !== false;
  return { value, exit: value.status === 'ok' && reached ? Exit.good : Exit.bad };
};

/** No text but plain seconds is a patience: of none at all, as an empty variable says it, consumers are fenced at once. */
function patienceMsOf(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw new CommandUsage(`--patience: expected seconds such as 60 or 1.5, 0 or more, got ${JSON.stringify(text)}`);
  }
  const seconds = Number(text);
  return Math.max(seconds > 0 ? 1 : 0, Math.round(seconds * 1_000));
}

/** `key=value …`: builds the next generation of the segment; `--patience SECONDS`: how long a consumer that works is waited for. */
export const roll: OperatorCommand<{ readonly segment: string; readonly generation: number }> = async (
  client,
  { segment, words, options },
) => {
  const { patience } = options;
  const body = bodyOfWords(words);
  if (patience !== undefined) body.patience_ms = patienceMsOf(patience);
  const { path } = await segmentPath(client, segment);
  const answer = await client.ask<{ segment: string; generation: number }>('POST', `${path}/roll`, body);
  return good(objectOf(path, answer));
};

/** The roll that is under way; null for none. */
export const rolling: OperatorCommand<RollView | null> = async (client, { segment }) => {
  const { path } = await segmentPath(client, segment);
  const view = await client.ask<RollView | null>('GET', `${path}/roll`);
  return good(view === null ? view : objectOf(path, view));
};

/** The commands by the words that call them. */
export const operatorCommands: ReadonlyMap<string, OperatorCommand<unknown>> = new Map<
  string,
  OperatorCommand<unknown>
>([
  ['triage', triage],
  ['lanes', lanes],
  ['producers', producers],
  ['lane set', setLane],
  ['producer set', setProducer],
  ['detach', detach],
  ['agents', agents],
  ['ping', ping],
  ['roll', roll],
  ['rolling', rolling],
]);

/** What `--json` prints of an answer: JSON leaves the upper control characters as they are, and terminals obey them too. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  return text.replace(/[\u007f-\u009f]/g, (it) => `\\u00${it.charCodeAt(0).toString(16)}`);
}
