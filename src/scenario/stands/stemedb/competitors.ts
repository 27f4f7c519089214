import { DiskError, type DiskFile } from '../../../host/disk.ts';
import type { DiskClient } from '../../../sim/disk/client.ts';
import type { World } from '../../../sim/world.ts';
import { OperatorError } from '../stand.ts';
import type { MachineDisks } from './devices.ts';

/** Processes beside the engine that use its disks. */
export interface Competitors {
  /** Names under which systemd knows them. */
  readonly units: readonly string[];
  isRunning(node: string, unit: string): boolean;
  /** Begins to compete for the disk of the log. */
  start(node: string, unit: string): void;
  /** Ends what the unit does to the disk, and with a backup every competition that a fault began in its name. */
  stop(node: string, unit: string): void;
  /** Writes zeros to a file until `count` blocks are written or the disk is full; the output of `dd`. */
  fillFile(node: string, path: string, blockBytes: number, count: number): Promise<string>;
  removeFile(node: string, path: string): Promise<void>;
}

const backup = 'backup.service';
const archiver = 'log-archiver.timer';
/** The names of the packaged units are aliases of those that the runbook has. */
const aliases: Readonly<Record<string, string>> = {
  [backup]: backup,
  'stemedb-backup.service': backup,
  [archiver]: archiver,
  'stemedb-log-archiver.timer': archiver,
};
/** Names under which systemd knows the units that compete for a disk. */
export const competitorUnits: readonly string[] = Object.keys(aliases);
/** What one of them takes of the device, and the requests that it keeps in flight. */
const share = 0.4;
const queueDepth = 8;
const fillBlockBytesMax = 1024 * 1024;

export function createCompetitors(world: World, disksOf: (node: string) => MachineDisks): Competitors {
  const running = new Map<string, () => void>();
  const keyOf = (node: string, unit: string) => `${node} ${aliases[unit] ?? unit}`;
  let pids = 40_000;

  /** A process of the operator's: not the engine's, so its death does not end it. */
  function shellClient(): DiskClient {
    const pid = pids++;
    return {
      traceName: `shell ${pid}`,
      incarnation: 0,
      pid,
      alive: true,
      deliver: (label, fn) => void world.scheduler.after(0, label, undefined, fn),
      onDeath: () => () => {},
    };
  }

  return {
    units: competitorUnits,
    isRunning: (node, unit) => running.has(keyOf(node, unit)),
    start(node, unit) {
      const key = keyOf(node, unit);
      if (running.has(key)) return;
      running.set(key, disksOf(node).wal.queue.disturb({ kind: 'compete', share, queueDepth }));
    },
    stop(node, unit) {
      const key = keyOf(node, unit);
      running.get(key)?.();
      running.delete(key);
      if (aliases[unit] === backup) disksOf(node).wal.queue.lift('compete');
    },
    async fillFile(node, path, blockBytes, count) {
      const disk = disksOf(node).table.diskOf(shellClient());
      const file = await disk.open(path, { mode: 'create' });
      const wanted = blockBytes * count;
      const written = await writeZeros(file, wanted);
      await file.close();
      if (written < wanted) {
        throw new OperatorError(`dd: error writing '${path}': No space left on device; ${written} bytes written`);
      }
      return `${written} bytes written`;
    },
    async removeFile(node, path) {
      await disksOf(node).table.diskOf(shellClient()).remove(path);
    },
  };
}

/** Reserves and writes in large pieces; what is left of a full disk goes in smaller ones. */
async function writeZeros(file: DiskFile, wanted: number): Promise<number> {
  let written = 0;
  let piece = fillBlockBytesMax;
  const zeros = new Uint8Array(fillBlockBytesMax);
  while (written < wanted) {
    const bytes = Math.min(piece, wanted - written);
    try {
      await file.write(written, [zeros.subarray(0, bytes)], { durable: false });
      written += bytes;
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'ENOSPC') throw error;
      if (piece <= 4096) break;
      piece = Math.max(4096, piece >> 1);
    }
  }
  return written;
}
