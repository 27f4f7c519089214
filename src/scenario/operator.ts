import type { Host } from '../host/host.ts';
import type { World } from '../sim/world.ts';
import { type NodeSpecContext, resolveNodes } from './nodeSpec.ts';
import type { Command, OperatorStep } from './scenario.ts';
import { type NodeControl, OperatorError, type Stand, type StandSession, type VerbContext } from './stands/stand.ts';
import { createRouteClient } from './wire/routeClient.ts';

/** What a command gave back. */
export interface CommandResult {
  readonly command: string;
  readonly node: string;
  readonly failed: boolean;
  /** Of an HTTP request that was answered. */
  readonly status?: number;
  /** Exit code of a command line. */
  readonly exit?: number;
  readonly output: string;
}

export interface OperatorContext {
  readonly world: World;
  readonly stand: Stand;
  readonly session: StandSession;
  readonly control: NodeControl;
  readonly nodes: NodeSpecContext;
  /** A machine of the operator's own: requests go over the network. */
  readonly host: Host;
}

/** How long an operator waits for an answer, in milliseconds. */
const patienceMs = 120_000;

/** Does what one command says, on every node that it names. */
export async function runCommand(
  command: Command,
  on: OperatorStep['on'],
  context: OperatorContext,
): Promise<CommandResult[]> {
  const first = context.nodes.nodes[0];
  const spec = command.kind === 'http' ? command.node : (on ?? first ?? 'all');
  const results: CommandResult[] = [];
  for (const node of resolveNodes(spec, context.nodes)) {
    results.push(command.kind === 'http' ? await request(command, node, context) : await shell(command, node, context));
  }
  return results;
}

async function request(
  command: Extract<Command, { kind: 'http' }>,
  node: string,
  { host, stand }: OperatorContext,
): Promise<CommandResult> {
  const client = createRouteClient(host, { host: node, port: stand.port }, { timeoutMs: patienceMs });
  // As `curl -d` sends it.
  const form = command.body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  const result = await client.call({
    method: command.method,
    path: command.path,
    headers: { accept: '*/*', ...form },
    ...(command.body === undefined ? {} : { body: command.body }),
  });
  client.close();
  const body =
    result.body === undefined ? '' : typeof result.body === 'string' ? result.body : JSON.stringify(result.body);
  return {
    command: command.text,
    node,
    failed: result.outcome !== 'ok',
    ...(result.status === undefined ? {} : { status: result.status }),
    output: result.outcome === 'ok' || body !== '' ? body : `${result.code}: ${result.message}`,
  };
}

async function shell(
  command: Extract<Command, { kind: 'shell' }>,
  node: string,
  context: OperatorContext,
): Promise<CommandResult> {
  const given: VerbContext = { node, control: context.control, world: context.world, host: context.host };
  const own = builtIns[command.verb];
  const verb = own?.takes(command.args, context.stand) ? own.run : context.session.verbs[command.verb];
  try {
    if (verb === undefined) throw new OperatorError(`${command.verb}: command not found`);
    const output = await verb(command.args, given);
    return { command: command.text, node, failed: false, exit: 0, output };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { command: command.text, node, failed: true, exit: error.exit, output: error.message };
  }
}

interface BuiltIn {
  /** Whether it is the runner's; else the stand may have one of the same name (other units of systemd). */
  takes(args: readonly string[], stand: Stand): boolean;
  run(args: readonly string[], context: VerbContext): Promise<string>;
}

/** Commands that every stand has, for the life of the engine's own process. */
const builtIns: Readonly<Record<string, BuiltIn>> = {
  systemctl: {
    takes: (args, stand) => args[1] === stand.unit || args[1] === `${stand.unit}.service`,
    async run([action = '', unit = ''], { node, control }) {
      switch (action) {
        case 'start':
          return started(unit, await control.start(node));
        case 'stop':
          await control.stop(node);
          return '';
        case 'restart':
          await control.stop(node);
          return started(unit, await control.start(node));
        case 'reload': {
          const report = await control.reload(node);
          return `applied: ${report.applied.join(', ') || 'nothing'}; need a restart: ${report.needRestart.join(', ') || 'nothing'}`;
        }
        case 'status':
          return control.state(node);
        default:
          throw new OperatorError(`systemctl: expected start, stop, restart, reload or status, got ${action}`);
      }
    },
  },
  kill: {
    takes: (args, stand) => args.at(-1) === stand.unit,
    async run(args, { node, control }) {
      if (args.length === 2 && args[0] === '-9') control.machine(node).kill('kill -9');
      else throw new OperatorError('kill: expected kill -9 UNIT; systemctl stop ends it gently');
      return '';
    },
  },
  reboot: {
    takes: () => true,
    async run(_, { node, control }) {
      await control.stop(node);
      const exit = await control.start(node);
      return exit === undefined ? '' : `the unit ended with ${exit.code}: ${exit.message}`;
    },
  },
};

function started(
  unit: string,
  exit: { readonly code: number; readonly name: string; readonly message: string } | undefined,
): string {
  if (exit === undefined) return '';
  throw new OperatorError(`Job for ${unit} failed: exit code ${exit.code}: ${exit.name}: ${exit.message}`);
}
