import {
  CommandUsage,
  Exit,
  jsonText,
  operatorCommands,
  type RouterClient,
  RouterError,
} from '../../../engines/indexbus/operatorCommands.ts';
import type { Host } from '../../../host/host.ts';
import { createRouteClient } from '../../wire/routeClient.ts';
import { OperatorError, type ShellVerb } from '../stand.ts';
import { httpPort } from './configuration.ts';

/** Options with a value. */
const known: readonly string[] = ['url', 'segment', 'environment', 'region'];
/** As long as the command line waits for one answer, in milliseconds. */
const requestTimeoutMs = 10_000;

/**
 * `hotfire indexbus ping --region eu`, and every other command that asks a router: the command's own code, over HTTP from the operator's
 * machine. It prints what `--json` prints; by default the router of the machine at whose shell it is typed is asked.
 */
export const hotfire: ShellVerb = async ([tool, ...given], { node, host }) => {
  if (tool !== 'indexbus') throw usage(`expected indexbus, got ${tool ?? 'nothing'}`);
  const { words, options } = split(given);
  const length = operatorCommands.has(words.slice(0, 2).join(' ')) ? 2 : 1;
  const name = words.slice(0, length).join(' ');
  const command = operatorCommands.get(name);
  if (command === undefined) throw usage(`expected one of ${[...operatorCommands.keys()].join(', ')}, got ${name}`);
  const { url = node, segment, ...others } = options;
  try {
    const client = clientOf(host, url.replace(/^https?:\/\//, '').replace(/:\d+$/, ''));
    const { value, exit } = await command(client, { words: words.slice(length), segment, options: others });
    if (exit !== Exit.good) throw new OperatorError(jsonText(value), { exit });
    return jsonText(value);
  } catch (error) {
    if (error instanceof CommandUsage) throw usage(error.message);
    if (error instanceof RouterError) throw new OperatorError(`${error.code}: ${error.message}`, { exit: error.exit });
    throw error;
  }
};

function usage(message: string): OperatorError {
  return new OperatorError(`hotfire: ${message}`, { exit: Exit.usage });
}

/** Words, and the values of options: `--json` alone has none, and is how all is printed here. */
function split(given: readonly string[]) {
  const words: string[] = [];
  const options: Record<string, string> = {};
  for (let at = 0; at < given.length; at += 1) {
    const word = given[at] ?? '';
    if (word === '--json') continue;
    if (!word.startsWith('--')) {
      words.push(word);
      continue;
    }
    if (!known.includes(word.slice(2))) throw usage(`expected one of --${known.join(', --')}, got ${word}`);
    at += 1;
    const value = given[at];
    if (value === undefined) throw usage(`${word}: expected a value`);
    options[word.slice(2)] = value;
  }
  return { words, options };
}

function clientOf(host: Host, router: string): RouterClient {
  return {
    async ask<T>(method: Parameters<RouterClient['ask']>[0], path: string, body?: unknown): Promise<T> {
      const client = createRouteClient(host, { host: router, port: httpPort }, { timeoutMs: requestTimeoutMs });
      const result = await client.call({ method, path, ...(body === undefined ? {} : { body }) });
      client.close();
      if (result.outcome === 'ok') return result.body as T; // the routes' own shapes
      throw new RouterError(result.code, result.status, result.message);
    },
  };
}
