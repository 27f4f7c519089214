import type { Millis } from '../../../../host/clock.ts';
import type { Method } from '../../../route.ts';

/** Exit codes of the commands: nothing wrong; bad, or refused; could not be decided. */
export const Exit = { good: 0, bad: 1, undecided: 2, usage: 64 } as const;

/** An answer of a broker. */
export interface AdminAnswer {
  readonly status: number;
  /** Parsed where it is JSON, else a text. */
  readonly body: unknown;
}

/** No broker answered. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** How a command reaches the brokers, in production over HTTP and on the stand through their routes. */
export interface AdminClient {
  /**
   * Has a broker answer: the first that can be reached, which forwards to broker `to` where that is given. Rejects with `NoAnswer`
   * when none can be reached.
   */
  request(method: Method, path: string, options?: AdminRequest): Promise<AdminAnswer>;
}

export interface AdminRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Number of the broker that shall answer. */
  readonly to?: number;
}

/** Where a command speaks, and what it can have done beside the brokers. */
export interface Console {
  line(text: string): void;
  now(): Millis;
  sleep(ms: Millis): Promise<void>;
  /** Asks a person; true without asking where --yes was given. */
  confirm(question: string): Promise<boolean>;
  /** The text of a file, or of standard input where none is named. Rejects when it cannot be read, or a person would have to type it. */
  read(file: string | undefined): Promise<string>;
  /** Restarts a broker's process on its machine: `systemctl restart streambus-broker`. Rejects when it cannot. */
  restart(broker: number, host: string): Promise<void>;
}

/** What a command was called with. */
export interface CommandInput {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | true>>;
}

export interface CommandOption {
  readonly name: string;
  /** Shown in the help for its value; without one it is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** A command of `hotfire streambus`. Resolves to its exit code. */
export interface AdminCommand {
  readonly name: string;
  readonly summary: string;
  /** Such as `[action] [name]`; the command checks them. */
  readonly words: string;
  readonly options: readonly CommandOption[];
  readonly run: (client: AdminClient, console: Console, input: CommandInput) => Promise<number>;
}

/** Wrong words or options. */
export class CommandUsage extends Error {
  override readonly name = 'CommandUsage';
}

/** A broker refused, with its own words. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The body of a good answer. @throws Refused with the broker's code and words, NoAnswer */
export async function ask<T>(
  client: AdminClient,
  method: Method,
  path: string,
  options: AdminRequest = {},
): Promise<T> {
  const { status, body } = await client.request(method, path, options);
  if (status < 400) return body as T; // the routes' own shapes: see their handlers
  const { error } = (body ?? {}) as {
    readonly error?: { readonly code?: string; readonly message?: string; readonly hint?: string };
  };
  const hint = error?.hint === undefined || error.hint === '' ? '' : `; ${error.hint}`;
  throw new Refused(status, error?.code ?? `HTTP_${status}`, `${error?.message ?? `HTTP status ${status}`}${hint}`);
}

/** Reads `--name value`, `--name=value`, `--switch` and words, by what the command declares. @throws CommandUsage */
export function parseWords(command: AdminCommand, given: readonly string[]): CommandInput {
  const words: string[] = [];
  const options: Record<string, string | true> = {};
  for (let at = 0; at < given.length; at++) {
    const word = given[at] ?? '';
    if (!word.startsWith('--')) {
      words.push(word);
      continue;
    }
    const [name = '', inline] = word.slice(2).split(/=(.*)/s, 2);
    const option = command.options.find((candidate) => candidate.name === name);
    if (option === undefined) {
      const known = command.options.map((candidate) => `--${candidate.name}`).join(', ');
      throw new CommandUsage(
        `${command.name}: unknown option --${name}; ${known === '' ? 'it has none' : `it has ${known}`}`,
      );
    }
    if (option.value === undefined) {
      options[name] = true;
      continue;
    }
    const value = inline ?? given[++at];
    if (value === undefined) throw new CommandUsage(`${command.name}: --${name} expects ${option.value}`);
    options[name] = value;
  }
  return { words, options };
}

/** A whole number of an option; undefined where it is not given. @throws CommandUsage */
export function numberOption(input: CommandInput, name: string): number | undefined {
  const text = input.options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (typeof text === 'string' && /^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new CommandUsage(`--${name}: expected a whole number, got ${text}`);
}

/** `key=value` pairs, separated by commas. @throws CommandUsage */
export function pairsOption(input: CommandInput, name: string): Record<string, string> {
  const text = input.options[name];
  if (typeof text !== 'string') return {};
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new CommandUsage(`--${name}: expected key=value, got ${pair}`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1)];
    }),
  );
}

/** Rows under their headings, in columns. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string[] {
  const all = [headings, ...rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))))];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
