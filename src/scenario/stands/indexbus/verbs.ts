import { parse } from 'yaml';
import type { World } from '../../../sim/world.ts';
import { mergeTables } from '../../mergeTables.ts';
import { OperatorError, type ShellVerb } from '../stand.ts';
import type { Participant } from './participant.ts';
import { hotfire } from './routerVerb.ts';

/** First words of the command lines of this stand. */
export const verbNames = ['systemctl', 'kill', 'sed', 'kubectl', 'numactl', 'hotfire'] as const;

export interface VerbsOptions {
  readonly world: World;
  readonly participant: (name: string) => Participant;
  /** Puts keys into the configuration file of a node. */
  readonly edit: (node: string, keys: Readonly<Record<string, unknown>>) => void;
}

/** The shell verbs of the scenarios; what they cannot do they refuse, as a shell would. */
export function createVerbs({ world, participant, edit }: VerbsOptions): Record<string, ShellVerb> {
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => void world.scheduler.after(ms, 'operator', undefined, resolve));

  /** `systemctl restart c1`: a producer or a consumer. */
  const systemctl: ShellVerb = async ([action = '', unit = '']) => {
    const it = participant(unit);
    if (action === 'stop' || action === 'restart') await it.stop(sleep);
    if (action === 'start' || action === 'restart') it.start();
    if (!['start', 'stop', 'restart'].includes(action)) {
      throw new OperatorError(`systemctl: expected start, stop or restart, got ${action}`);
    }
    return '';
  };

  /** `kill -9 c1`: its supervisor starts it again when it is told to. */
  const kill: ShellVerb = async ([signal = '', name = '']) => {
    const it = participant(name);
    if (signal !== '-9') throw new OperatorError('kill: expected kill -9 NAME; systemctl stop ends it gently');
    it.machine.kill('kill -9');
    return '';
  };

  /** `kubectl delete pod c1`: SIGTERM, and a kill after the grace; `--grace-period=1` makes it shorter. */
  const kubectl: ShellVerb = async ([action = '', kind = '', name = '', grace = '--grace-period=30']) => {
    const seconds = Number(/^--grace-period=(\d+)$/.exec(grace)?.[1] ?? Number.NaN);
    if (action !== 'delete' || kind !== 'pod' || Number.isNaN(seconds)) {
      throw new OperatorError('kubectl: expected kubectl delete pod NAME [--grace-period=SECONDS]');
    }
    const it = participant(name);
    const { process } = it;
    void it.stop(sleep);
    await sleep(seconds * 1_000);
    if (process?.alive === true) it.machine.kill('its grace is over');
    // A pod that was evicted comes back.
    it.start();
    return `pod "${name}" deleted`;
  };

  /** `numactl --cpunodebind=0 --membind=0 systemctl restart c1`: from now on it runs on this NUMA node. */
  const numactl: ShellVerb = async (args, context) => {
    const command = args.findIndex((word) => !word.startsWith('--'));
    const nodes = args
      .slice(0, Math.max(command, 0))
      .map((option) => /^--(?:cpunodebind|membind)=(\d+)$/.exec(option)?.[1]);
    const [node] = nodes;
    if (args[command] !== 'systemctl' || node === undefined || nodes.some((other) => other !== node)) {
      throw new OperatorError('numactl: expected numactl --cpunodebind=NODE [--membind=NODE] systemctl restart NAME');
    }
    participant(args[command + 2] ?? '').boundTo = Number(node);
    return systemctl(args.slice(command + 1), context);
  };

  /** `sed -i router_id=other indexbus.yaml`: sets keys of the configuration file, which the next start reads. */
  const sed: ShellVerb = async (args, { node }) => {
    if (args[0] !== '-i' || args.at(-1) !== '/etc/indexbus.yaml' || args.length < 3) {
      throw new OperatorError('sed: expected sed -i KEY=VALUE … /etc/indexbus.yaml');
    }
    for (const text of args.slice(1, -1)) {
      const at = text.indexOf('=');
      if (at < 1) throw new OperatorError(`/etc/indexbus.yaml: expected KEY=VALUE, got ${text}`);
      const nested = text
        .slice(0, at)
        .split('.')
        .reduceRight<unknown>((value, key) => ({ [key]: value }), parse(text.slice(at + 1)));
      edit(node, mergeTables({}, nested as Record<string, unknown>)); // made of at least one key
    }
    return '';
  };

  return { systemctl, kill, kubectl, sed, numactl, hotfire };
}
