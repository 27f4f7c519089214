import { adminCommands } from '../../../engines/streambus/admin/commands/all.ts';
import {
  type AdminClient,
  CommandUsage,
  type Console,
  Exit,
  NoAnswer,
  parseWords,
  Refused,
} from '../../../engines/streambus/admin/commands/command.ts';
import type { Host } from '../../../host/host.ts';
import { createRouteClient } from '../../wire/routeClient.ts';
import { OperatorError, type ShellVerb, type VerbContext } from '../stand.ts';
import { brokerOfNode, httpPort } from './configuration.ts';

/** As long as the command line waits for one answer, in milliseconds. */
const requestTimeoutMs = 30_000;
/** Codes of requests that never left, so that another broker may be asked the same. */
const neverSent = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'];

/**
 * `sb check-quorum`, and every other command of `hotfire streambus` that speaks with brokers: the command's own code, over HTTP from the
 * operator's machine. Brokers are tried in the order of `--brokers`, by default all, the one at whose shell it is typed first.
 */
export function createBrokerCommands(nodes: readonly string[]): ShellVerb {
  return async ([name = '', ...given], context) => {
    const command = adminCommands.get(name);
    if (command === undefined) {
      throw new OperatorError(`sb: expected one of ${[...adminCommands.keys()].sort().join(', ')}, got ${name}`, {
        exit: Exit.usage,
      });
    }
    const { brokers, rest } = takeBrokers(given, nodes, context.node);
    const lines: string[] = [];
    let exit: number;
    try {
      const client = createHttpClient(context.host, brokers);
      exit = await command.run(client, createConsole(context, nodes, lines), parseWords(command, rest));
    } catch (error) {
      if (error instanceof CommandUsage) throw new OperatorError(error.message, { exit: Exit.usage });
      if (!(error instanceof Refused) && !(error instanceof NoAnswer)) throw error;
      lines.push(error instanceof Refused ? `✗ ${error.code}: ${error.message}` : `✗ ${error.message}`);
      exit = error instanceof Refused ? Exit.bad : Exit.undecided;
    }
    const output = lines.join('\n');
    if (exit !== Exit.good) throw new OperatorError(output, { exit });
    return output;
  };
}

/** Takes `--brokers a,b` out of the words. */
function takeBrokers(
  given: readonly string[],
  nodes: readonly string[],
  own: string,
): { readonly brokers: readonly string[]; readonly rest: readonly string[] } {
  const at = given.indexOf('--brokers');
  if (at < 0) return { brokers: [own, ...nodes.filter((node) => node !== own)], rest: given };
  const brokers = (given[at + 1] ?? '').split(',').map((broker) => broker.replace(/:\d+$/, ''));
  const strange = brokers.find((broker) => !nodes.includes(broker));
  if (strange !== undefined) {
    throw new OperatorError(`sb: --brokers: expected some of ${nodes.join(', ')}, got ${strange || 'nothing'}`, {
      exit: Exit.usage,
    });
  }
  return { brokers, rest: given.toSpliced(at, 2) };
}

/** As the command line's own client: the broker that answered last is asked first, and what may have arrived is not sent again. */
function createHttpClient(host: Host, brokers: readonly string[]): AdminClient {
  let preferred = 0;
  return {
    async request(method, path, { query = {}, body, to } = {}) {
      const parameters = new URLSearchParams({ ...query, ...(to === undefined ? {} : { broker: String(to) }) });
      const suffix = parameters.size === 0 ? '' : `?${parameters}`;
      const failures: string[] = [];
      for (let tried = 0; tried < brokers.length; tried++) {
        const at = (preferred + tried) % brokers.length;
        const broker = brokers[at] ?? '';
        const connection = createRouteClient(host, { host: broker, port: httpPort }, { timeoutMs: requestTimeoutMs });
        const result = await connection.call({
          method,
          path: `${path}${suffix}`,
          ...(body === undefined ? {} : { body }),
        });
        connection.close();
        if (result.status !== undefined) {
          preferred = at;
          return { status: result.status, body: result.body };
        }
        if (result.outcome === 'ok') throw new Error(`${broker}: an answer without a status`);
        failures.push(`${broker}:${httpPort}: ${result.code}`);
        if (method !== 'GET' && !neverSent.includes(result.code)) break;
      }
      throw new NoAnswer(`no broker answered (${failures.join('; ')})`);
    },
  };
}

/** The operator's terminal, called with --yes; a broker is restarted by systemd on its machine. */
function createConsole({ host, control }: VerbContext, nodes: readonly string[], lines: string[]): Console {
  return {
    line: (text) => void lines.push(text),
    now: () => host.clock.now(),
    sleep: (ms) => host.clock.sleep(ms),
    confirm: async () => true,
    async read(file) {
      throw new OperatorError(`${file ?? 'standard input'}: the operator of the stand has no files`, {
        exit: Exit.usage,
      });
    },
    async restart(broker) {
      const node = nodes.find((each) => brokerOfNode(each) === broker);
      if (node === undefined) throw new OperatorError(`ssh: no machine of broker ${broker}`, { exit: Exit.usage });
      await control.stop(node);
      const exit = await control.start(node);
      if (exit !== undefined) {
        throw new OperatorError(`${node}: exit code ${exit.code}: ${exit.name}: ${exit.message}`, { exit: Exit.usage });
      }
    },
  };
}
