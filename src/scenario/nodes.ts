import { EngineError, ExitCode, type RunningEngine } from '../engines/engine.ts';
import type { Host } from '../host/host.ts';
import { asStand } from '../sim/inside.ts';
import type { Machine } from '../sim/machine.ts';
import type { SimProcess } from '../sim/process.ts';
import type { World } from '../sim/world.ts';
import type { NodeState } from './nodeState.ts';
import type { NodeControl, NodeExit, Stand, StandSession } from './stands/stand.ts';
import type { Timeline } from './timeline.ts';
import { serveRoutes } from './wire/routeServer.ts';

/** How long systemd waits for a unit to stop before it kills it: `DefaultTimeoutStopSec`. */
const stopTimeoutMsDefault = 90_000;

export interface NodesOptions {
  readonly world: World;
  readonly stand: Stand;
  readonly names: readonly string[];
  /** The session is made with this control in hand, so it is asked for when it is there. */
  readonly session: () => StandSession;
  readonly timeline: Timeline;
  readonly onState: (node: string, state: NodeState) => void;
  /** The engine threw what no engine may throw. */
  readonly onDefect: (message: string, node: string) => void;
}

interface Node {
  readonly name: string;
  state: NodeState;
  process: SimProcess | undefined;
  running: RunningEngine | undefined;
  readonly exits: NodeExit[];
  /** Why the present process is about to end, if somebody asked for it. */
  ending: 'stop' | 'exit' | undefined;
  readonly waiting: Set<() => void>;
}

/** The engine's processes: started, stopped and watched. */
export function createNodes(options: NodesOptions): NodeControl {
  const { world, stand, timeline } = options;
  const nodes = new Map<string, Node>();
  for (const name of options.names) {
    const waiting = new Set<() => void>();
    nodes.set(name, {
      name,
      state: 'stopped',
      process: undefined,
      running: undefined,
      exits: [],
      ending: undefined,
      waiting,
    });
  }

  function nodeOf(name: string): Node {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`node ${name}: expected one of ${[...nodes.keys()].join(', ')}`);
    return node;
  }

  function machineOf(name: string): Machine {
    const machine = world.machines.get(name);
    if (machine === undefined) throw new Error(`the stand of ${stand.engine.name} made no machine ${name}`);
    return machine;
  }

  /** Code of a process may call this: what follows belongs to the stand. */
  function setState(node: Node, state: NodeState): void {
    asStand(() => {
      node.state = state;
      options.session().nodeChanged?.(node.name, state);
      options.onState(node.name, state);
      for (const wake of [...node.waiting]) wake();
    });
  }

  function waitFor(node: Node, reached: () => boolean): Promise<void> {
    if (reached()) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        if (!reached()) return;
        node.waiting.delete(wake);
        resolve();
      };
      node.waiting.add(wake);
    });
  }

  /** What runs in the process: the engine, its routes, and how it ends. */
  async function main(node: Node, process: SimProcess, host: Host): Promise<void> {
    try {
      const config = stand.engine.configSchema.parse(options.session().configuration(node.name));
      const seen = options.session().decorateHost?.(host, node.name) ?? host;
      const running = await stand.engine.start(seen, config);
      const stopped = running.stopped.then(
        () => undefined,
        (error: unknown) => error ?? new Error('stopped without a reason'),
      );
      node.running = running;
      await serveRoutes(host, running.routes, {
        port: stand.port,
        maxBodyBytes: stand.engine.server(config).maxBodyBytes,
        onDefect(error, request) {
          // It was ended in the middle of the handler.
          if (!process.alive) return;
          asStand(() => options.onDefect(`${request}: ${textOf(error)}`, node.name));
        },
      });
      asStand(() => timeline.add('start', `${node.name} serves (process ${process.incarnation})`, node.name));
      setState(node, 'up');
      const error = await stopped;
      if (error !== undefined) throw error;
      if (node.ending === undefined)
        end(node, process, { code: ExitCode.ok, name: 'stopped', message: 'drained and stopped' });
    } catch (error) {
      // It was ended in the middle of what it did.
      if (!process.alive) return;
      if (node.ending === 'stop') return process.exit(0);
      end(node, process, exitOf(error));
      if (!(error instanceof EngineError) && !isSchemaError(error)) {
        asStand(() => options.onDefect(textOf(error), node.name));
      }
    }
  }

  function end(node: Node, process: SimProcess, exit: Omit<NodeExit, 'atMs'>): void {
    node.ending = 'exit';
    node.exits.push({ ...exit, atMs: world.now });
    asStand(() =>
      timeline.add('exit', `${node.name} exits with ${exit.code}: ${exit.name}: ${exit.message}`, node.name, exit),
    );
    process.exit(exit.code, exit.name);
  }

  function ended(node: Node, process: SimProcess, reason: string): void {
    if (node.process !== process) return;
    const { ending } = node;
    node.process = undefined;
    node.running = undefined;
    node.ending = undefined;
    if (ending === undefined) timeline.add('crash', `${node.name}: ${reason}`, node.name);
    if (ending === 'stop') timeline.add('exit', `${node.name} stopped`, node.name);
    setState(node, ending === undefined ? 'crashed' : ending === 'stop' ? 'stopped' : 'exited');
  }

  async function start(name: string): Promise<NodeExit | undefined> {
    const node = nodeOf(name);
    const machine = machineOf(name);
    // As systemd does: a unit that stops is started once it has stopped.
    if (node.state === 'stopping') await waitFor(node, () => node.state !== 'stopping');
    if (machine.process === undefined) {
      const refusal = options.session().mayStart?.(name);
      if (refusal !== undefined) {
        timeline.add('note', `${name} is not started: ${refusal}`, name);
        return { code: ExitCode.configuration, name: 'UnitRefused', message: refusal, atMs: world.now };
      }
      // A process that has just died may not have been reaped yet.
      if (node.process !== undefined) await node.process.exited;
      const process = machine.start(stand.unit, (host) => main(node, process, host));
      node.process = process;
      node.ending = undefined;
      // A fault that restarts the machine does it as systemd would: by the unit.
      machine.supervisor = () => void start(name);
      void process.exited.then((info) => ended(node, process, info.reason));
      setState(node, 'starting');
    }
    const before = node.exits.length;
    await waitFor(node, () => node.state !== 'starting');
    if (node.state === 'up') return undefined;
    return (
      node.exits[before] ?? {
        code: 137,
        name: node.state,
        message: `${name} ${node.state} while it started`,
        atMs: world.now,
      }
    );
  }

  async function stop(name: string, timeoutMs: number = stopTimeoutMsDefault): Promise<void> {
    const node = nodeOf(name);
    const { process, running } = node;
    if (process === undefined) return;
    node.ending = 'stop';
    setState(node, 'stopping');
    const kill = world.scheduler.after(timeoutMs, `SIGKILL ${name}`, undefined, () => {
      timeline.add('crash', `${name} did not stop within ${timeoutMs} ms: killed`, name);
      machineOf(name).kill('did not stop in time');
    });
    process.deliver('SIGTERM', () => void terminate(process, running));
    await waitFor(node, () => node.process !== process);
    world.scheduler.cancel(kill);
  }

  async function terminate(process: SimProcess, running: RunningEngine | undefined): Promise<void> {
    try {
      const report = await running?.drain();
      if (report !== undefined && report.unfinished.length > 0) {
        asStand(() =>
          timeline.add('note', `drain left unfinished: ${report.unfinished.join(', ')}`, process.machine.name),
        );
      }
      await running?.close();
    } catch (error) {
      if (process.alive && !(error instanceof EngineError))
        asStand(() => options.onDefect(`drain: ${textOf(error)}`, process.machine.name));
    }
    process.exit(0, 'SIGTERM');
  }

  function reload(name: string): ReturnType<NodeControl['reload']> {
    const { process, running } = nodeOf(name);
    if (process === undefined || running === undefined) return Promise.reject(new Error(`${name} does not run`));
    return new Promise((resolve, reject) => {
      process.deliver('SIGHUP', () => {
        try {
          resolve(running.reload(stand.engine.configSchema.parse(options.session().configuration(name))));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      void process.exited.then((info) => reject(new Error(`${name} ended: ${info.reason}`)));
    });
  }

  return {
    state: (name) => nodeOf(name).state,
    exits: (name) => nodeOf(name).exits,
    start,
    stop,
    reload,
    machine: machineOf,
  };
}

function exitOf(error: unknown): Omit<NodeExit, 'atMs'> {
  if (error instanceof EngineError) return { code: error.exitCode, name: error.code, message: error.message };
  if (isSchemaError(error)) return { code: ExitCode.configuration, name: 'Configuration', message: textOf(error) };
  return { code: ExitCode.software, name: 'Defect', message: textOf(error) };
}

function isSchemaError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ZodError';
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
