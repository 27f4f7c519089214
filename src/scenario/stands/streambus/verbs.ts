import { parse } from 'yaml';
import { DiskError } from '../../../host/disk.ts';
import type { DiskClient } from '../../../sim/disk/client.ts';
import type { World } from '../../../sim/world.ts';
import { showingRefusals } from '../diskRefusals.ts';
import { OperatorError, type ShellVerb } from '../stand.ts';
import { createBrokerCommands } from './brokerCommands.ts';
import { setKey } from './configuration.ts';
import { dataDirectory } from './devices.ts';
import type { NodeRecord } from './nodeRecord.ts';

/** First words of the command lines of this stand. */
export const verbNames = ['rm', 'cp', 'sed', 'cat', 'ls', 'df', 'dd', 'sb'] as const;

const configPath = '/etc/streambus/broker.yaml';
const raftDirectory = `${dataDirectory}/raft-state`;
const blockBytesMax = 1024 * 1024;

export interface VerbsOptions {
  readonly world: World;
  readonly recordOf: (node: string) => NodeRecord;
  readonly nodes: readonly string[];
}

/** The shell verbs of the runbook and of the scenarios; what they cannot do they refuse, as a shell would. */
export function createVerbs({ world, recordOf, nodes }: VerbsOptions): Record<string, ShellVerb> {
  /** Copies of directories that somebody has put aside, by machine and path. */
  const copies = new Map<string, ReadonlyMap<string, Uint8Array>>();

  /** `rm -rf /var/lib/streambus/raft-state`, and any other files. */
  const rm: ShellVerb = async (args, { node }) => {
    const paths = args.filter((arg) => !arg.startsWith('-'));
    if (paths.length === 0) throw new OperatorError('rm: missing operand');
    const record = recordOf(node);
    for (const given of paths) {
      const path = absolute(given, 'rm: expected an absolute path').replace(/\/\*?$/, '');
      const partition = /\/data\/([^/]+)\/partition-(\d+)$/.exec(path);
      const forget = (): void => {
        if (raftDirectory.startsWith(path)) record.forget(`rm ${given}`);
        if (partition !== null) record.forgetPartition(`${partition[1]}/${partition[2]}`, `rm ${given}`);
      };
      // What is gone is gone, though the rest of it could not be removed.
      forget();
      try {
        const isCut = await orPowerLoss(record, removeBelow(record, path));
        if (isCut) return 'the machine went down: it is not known what is left';
      } finally {
        forget();
      }
    }
    return '';
  };

  async function removeBelow(record: NodeRecord, path: string): Promise<void> {
    const disk = record.disks.table.diskOf(shellOf(world));
    const files = [...record.disks.table.files().keys()].filter((file) => file === path || file.startsWith(`${path}/`));
    const directories = new Set<string>();
    for (const file of files) {
      await disk.remove(file);
      for (let at = parentOf(file); at.length >= path.length; at = parentOf(at)) directories.add(at);
    }
    for (const directory of [...directories].sort((a, b) => b.length - a.length)) {
      // No more than an attempt: `rm` does not sync, so a sync that fails is nothing that it could tell of.
      await disk.syncDirectory(directory).catch(onlyDiskErrors);
      await disk.remove(directory).catch(onlyDiskErrors);
    }
    await disk.syncDirectory(parentOf(path)).catch(onlyDiskErrors);
  }

  /** `cp -a /var/lib/streambus /mnt/copy`, and back: an old disk, as a snapshot of a virtual machine brings it. */
  const cp: ShellVerb = async (args, { node, control }) => {
    const [from, to] = args.filter((arg) => !arg.startsWith('-')).map((path) => absolute(path, 'cp: expected paths'));
    if (from === undefined || to === undefined) throw new OperatorError('cp: expected cp -a FROM TO');
    const record = recordOf(node);
    if (to !== dataDirectory) {
      const copy = new Map<string, Uint8Array>();
      for (const [path, { file }] of record.disks.table.files()) {
        if (path.startsWith(`${from}/`)) copy.set(path.slice(from.length + 1), file.peek());
      }
      copies.set(`${node} ${to}`, copy);
      return `${copy.size} files`;
    }
    const copy = copies.get(`${node} ${from}`);
    if (copy === undefined) throw new OperatorError(`cp: cannot stat '${from}': No such file or directory`);
    if (control.machine(node).process !== undefined) throw new OperatorError('cp: the broker runs: stop it first');
    try {
      await removeBelow(record, dataDirectory);
      const disk = record.disks.table.diskOf(shellOf(world));
      for (const [relative, bytes] of copy) {
        const path = `${dataDirectory}/${relative}`;
        await makeDirectories(disk, parentOf(path));
        const file = await disk.open(path, { mode: 'create' });
        await file.write(0, [bytes], { durable: true });
        await file.close();
        await disk.syncDirectory(parentOf(path));
      }
    } finally {
      // Half of a copy is no more what was there than all of it.
      record.forget('an older copy of the disk was put back');
    }
    return `${copy.size} files`;
  };

  /** `sed -i storage.flush_interval=30s … /etc/streambus/broker.yaml`: sets keys of the configuration file. */
  const sed: ShellVerb = async (args, { node }) => {
    if (args[0] !== '-i' || args.at(-1) !== configPath || args.length < 3) {
      throw new OperatorError(`sed: expected sed -i KEY=VALUE … ${configPath}`);
    }
    for (const edit of args.slice(1, -1)) {
      const at = edit.indexOf('=');
      if (at < 1) throw new OperatorError(`${configPath}: expected KEY=VALUE, got ${edit}`);
      setKey(recordOf(node).document, edit.slice(0, at).split('.'), parse(edit.slice(at + 1)));
    }
    return '';
  };

  const cat: ShellVerb = async (args, { node }) => {
    if (args.length !== 1 || args[0] !== configPath) throw new OperatorError(`cat: expected ${configPath}`);
    return JSON.stringify(recordOf(node).document, null, 2);
  };

  const ls: ShellVerb = async (args, { node }) => {
    const directory = absolute(args.at(-1), 'ls: expected an absolute path').replace(/\/$/, '');
    return [...recordOf(node).disks.table.files()]
      .filter(([path]) => path.startsWith(`${directory}/`))
      .map(([path, { file }]) => `${String(file.length).padStart(12)} ${path.slice(directory.length + 1)}`)
      .join('\n');
  };

  const df: ShellVerb = async (args, { node }) => {
    const path = absolute(args.at(-1) ?? dataDirectory, 'df: expected an absolute path');
    const { freeBytes, totalBytes } = recordOf(node).disks.table.deviceAt(path).usage();
    return `total ${totalBytes} free ${freeBytes} used ${Math.round(100 * (1 - freeBytes / totalBytes))}%`;
  };

  /** `dd if=/dev/zero of=PATH bs=1M count=100`: really writes, until the disk is full. */
  const dd: ShellVerb = async (args, { node }) => {
    const given = new Map(args.map((arg) => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]));
    const path = absolute(given.get('of'), 'dd: expected of=PATH');
    const wanted = sizeOf(given.get('bs') ?? '512') * sizeOf(given.get('count') ?? '1');
    const disk = recordOf(node).disks.table.diskOf(shellOf(world));
    const file = await disk.open(path, { mode: 'create' });
    const zeros = new Uint8Array(blockBytesMax);
    let written = 0;
    while (written < wanted) {
      const bytes = Math.min(blockBytesMax, wanted - written);
      await file.write(written, [zeros.subarray(0, bytes)], { durable: false });
      written += bytes;
    }
    await file.close();
    return `${written} bytes written`;
  };

  return {
    rm: showingRefusals(rm),
    cp: showingRefusals(cp),
    sed: showingRefusals(sed),
    cat: showingRefusals(cat),
    ls: showingRefusals(ls),
    df: showingRefusals(df),
    dd: showingRefusals(dd),
    sb: createBrokerCommands(nodes),
  };
}

type ShellDisk = ReturnType<NodeRecord['disks']['table']['diskOf']>;

async function makeDirectories(disk: ShellDisk, path: string): Promise<void> {
  const parts = path.split('/').slice(1);
  for (let depth = 1; depth <= parts.length; depth++) {
    const directory = `/${parts.slice(0, depth).join('/')}`;
    try {
      await disk.makeDirectory(directory);
      await disk.syncDirectory(parentOf(directory));
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'EEXIST') throw error;
    }
  }
}

/** For what may fail: a directory that others use, or that is no directory, stays. */
function onlyDiskErrors(error: unknown): void {
  if (!(error instanceof DiskError)) throw error;
}

/** Waits for a command that works on a machine's disk. True: the machine went down, and the shell with it. */
async function orPowerLoss(record: NodeRecord, work: Promise<void>): Promise<boolean> {
  let stop = (): void => undefined;
  const wentDown = new Promise<true>((resolve) => {
    stop = record.disks.table.observe(({ kind }) => {
      if (kind === 'power-loss' || kind === 'wipe') resolve(true);
    });
  });
  try {
    return await Promise.race([work.then(() => false), wentDown]);
  } finally {
    stop();
  }
}

/** A process of the operator's: not the engine's, so nothing of the engine's ends it. */
function shellOf(world: World): DiskClient {
  return {
    traceName: 'shell',
    incarnation: 0,
    pid: 39_998,
    alive: true,
    deliver: (label, fn) => void world.scheduler.after(0, label, undefined, fn),
    onDeath: () => () => {},
  };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function absolute(path: string | undefined, message: string): string {
  if (path?.startsWith('/') !== true) throw new OperatorError(message);
  return path;
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function sizeOf(text: string): number {
  const match = /^(\d+)([kKMG]?)$/.exec(text);
  if (match === null) throw new OperatorError(`dd: expected a number, got ${JSON.stringify(text)}`);
  return Number(match[1]) * (unitBytes[match[2] ?? ''] ?? 1);
}
