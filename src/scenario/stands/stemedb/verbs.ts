import { parse as parseToml } from 'smol-toml';
import { showingRefusals } from '../diskRefusals.ts';
import { OperatorError, type ShellVerb, type VerbContext } from '../stand.ts';
import type { Competitors } from './competitors.ts';
import { type MachineDisks, storeDirectory, walDirectory } from './devices.ts';
import type { Volumes } from './volumes.ts';

/** First words of the command lines of this stand. */
export const verbNames = ['systemctl', 'dd', 'rm', 'mount', 'umount', 'aws', 'sed', 'cat', 'ls', 'df'] as const;

export interface VerbsOptions {
  readonly disksOf: (node: string) => MachineDisks;
  /** The configuration file of a node, `/etc/stemedb/api.toml`, as a document that may be edited. */
  readonly documentOf: (node: string) => Record<string, unknown>;
  readonly competitors: Competitors;
  readonly volumes: Volumes;
}

const configPath = '/etc/stemedb/api.toml';

/** The shell verbs of the runbook and of the scenarios; what they cannot do they refuse, as a shell would. */
export function createVerbs(options: VerbsOptions): Record<string, ShellVerb> {
  const { disksOf, documentOf, competitors, volumes } = options;

  /** `systemctl stop backup.service`: the units beside the engine's own, which compete for its disk. */
  async function systemctl([action = '', unit = '']: readonly string[], { node }: VerbContext): Promise<string> {
    if (!competitors.units.includes(unit)) {
      throw new OperatorError(`Unit ${unit} not found; there are stemedb-api, ${competitors.units.join(', ')}`);
    }
    switch (action) {
      case 'stop':
        competitors.stop(node, unit);
        return '';
      case 'start':
      case 'restart':
        competitors.start(node, unit);
        return '';
      case 'status':
        return competitors.isRunning(node, unit) ? 'active (running)' : 'inactive (dead)';
      default:
        throw new OperatorError(`systemctl: expected start, stop, restart or status, got ${action}`);
    }
  }

  /** `dd if=/dev/zero of=PATH bs=4k count=10000`: really writes, so that it competes and fills the disk. */
  async function dd(args: readonly string[], { node }: VerbContext): Promise<string> {
    const given = new Map(args.map((arg) => splitAt(arg, '=')));
    const path = absolute(given.get('of'), 'dd: expected of=PATH');
    const blockBytes = sizeOf(given.get('bs') ?? '512', 'bs');
    const count =
      given.get('count') === undefined ? Number.POSITIVE_INFINITY : sizeOf(given.get('count') ?? '', 'count');
    return competitors.fillFile(node, path, blockBytes, count);
  }

  async function rm(args: readonly string[], { node }: VerbContext): Promise<string> {
    const paths = args.filter((arg) => !arg.startsWith('-'));
    if (paths.length === 0) throw new OperatorError('rm: missing operand');
    for (const path of paths) await competitors.removeFile(node, absolute(path, 'rm: expected an absolute path'));
    return '';
  }

  async function mount(args: readonly string[], { node }: VerbContext): Promise<string> {
    const { table, wal, store } = disksOf(node);
    const path = args.at(-1);
    if (path === undefined) {
      return [...table.mounts]
        .map(([at, device]) => `/dev/${device.name} on ${at} type ext4 (rw,data=ordered,noatime)`)
        .join('\n');
    }
    const device = path === walDirectory ? wal : path === storeDirectory ? store : undefined;
    if (device === undefined) throw new OperatorError(`mount: ${path}: can't find in /etc/fstab`);
    if (table.mounts.has(path)) throw new OperatorError(`mount: ${path}: /dev/${device.name} already mounted`);
    table.mount(path, device);
    return '';
  }

  async function umount(args: readonly string[], { node, control }: VerbContext): Promise<string> {
    const path = args.at(-1) ?? '';
    const { table } = disksOf(node);
    if (path === '/' || !table.mounts.has(path)) throw new OperatorError(`umount: ${path}: not mounted`);
    if (control.machine(node).process !== undefined) throw new OperatorError(`umount: ${path}: target is busy`);
    table.unmount(path);
    return '';
  }

  /** `aws ec2 modify-volume …`, `describe-volumes-modifications`, `aws cloudwatch get-metric-statistics …`. */
  async function aws(args: readonly string[], { node }: VerbContext): Promise<string> {
    const [service = '', operation = ''] = args;
    const value = (name: string) => {
      const at = args.indexOf(name);
      return at < 0 ? undefined : args[at + 1];
    };
    if (service === 'ec2' && operation === 'modify-volume') {
      return volumes.modify(node, sizeOf(value('--iops') ?? '', '--iops'));
    }
    if (service === 'ec2' && operation === 'describe-volumes-modifications') return volumes.state(node);
    if (
      service === 'cloudwatch' &&
      operation === 'get-metric-statistics' &&
      value('--metric-name') === 'VolumeQueueLength'
    ) {
      return String(disksOf(node).wal.statistics.inFlight);
    }
    throw new OperatorError(
      `aws: expected ec2 modify-volume, ec2 describe-volumes-modifications or cloudwatch get-metric-statistics --metric-name VolumeQueueLength, got ${service} ${operation}`,
    );
  }

  /** `sed -i wal.group_commit_max_wait_ms=10 /etc/stemedb/api.toml`: sets keys of the configuration file. */
  async function sed(args: readonly string[], { node }: VerbContext): Promise<string> {
    if (args[0] !== '-i' || args.at(-1) !== configPath || args.length < 3) {
      throw new OperatorError(`sed: expected sed -i TABLE.KEY=VALUE … ${configPath}`);
    }
    for (const edit of args.slice(1, -1)) setKey(documentOf(node), edit);
    return '';
  }

  async function cat(args: readonly string[], { node }: VerbContext): Promise<string> {
    if (args.length !== 1 || args[0] !== configPath) throw new OperatorError(`cat: expected ${configPath}`);
    return JSON.stringify(documentOf(node), null, 2);
  }

  async function ls(args: readonly string[], { node }: VerbContext): Promise<string> {
    const directory = absolute(args.at(-1), 'ls: expected an absolute path').replace(/\/$/, '');
    return [...disksOf(node).table.files()]
      .filter(([path]) => path.startsWith(`${directory}/`) && !path.slice(directory.length + 1).includes('/'))
      .map(([path, { file }]) => `${String(file.length).padStart(12)} ${path.slice(directory.length + 1)}`)
      .join('\n');
  }

  async function df(args: readonly string[], { node }: VerbContext): Promise<string> {
    const path = args.at(-1) ?? '/';
    const device = disksOf(node).table.deviceAt(absolute(path, 'df: expected an absolute path'));
    const { freeBytes, totalBytes, freeInodes } = device.usage();
    return `/dev/${device.name} total ${totalBytes} free ${freeBytes} inodes free ${freeInodes}`;
  }

  return {
    systemctl: showingRefusals(systemctl),
    dd: showingRefusals(dd),
    rm: showingRefusals(rm),
    mount: showingRefusals(mount),
    umount: showingRefusals(umount),
    aws: showingRefusals(aws),
    sed: showingRefusals(sed),
    cat: showingRefusals(cat),
    ls: showingRefusals(ls),
    df: showingRefusals(df),
  };
}

function setKey(document: Record<string, unknown>, edit: string): void {
  const [path, text] = splitAt(edit, '=');
  let value: unknown;
  try {
    value = parseToml(`value = ${text}`).value;
  } catch {
    throw new OperatorError(`${configPath}: expected TABLE.KEY=VALUE with a TOML value, got ${edit}`);
  }
  const keys = path.split('.');
  const last = keys.pop();
  if (last === undefined || last === '' || keys.length === 0) {
    throw new OperatorError(`${configPath}: expected TABLE.KEY=VALUE, got ${edit}`);
  }
  let table = document;
  for (const key of keys) {
    const next = table[key];
    if (typeof next === 'object' && next !== null) {
      table = next as Record<string, unknown>; // a parsed document: its objects are tables
    } else {
      const made: Record<string, unknown> = {};
      table[key] = made;
      table = made;
    }
  }
  table[last] = value;
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

function absolute(path: string | undefined, message: string): string {
  if (path?.startsWith('/') !== true) throw new OperatorError(message);
  return path;
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function sizeOf(text: string, what: string): number {
  const match = /^(\d+)([kKMG]?)$/.exec(text);
  if (match === null) throw new OperatorError(`${what}: expected a number, got ${JSON.stringify(text)}`);
  return Number(match[1]) * (unitBytes[match[2] ?? ''] ?? 1);
}
