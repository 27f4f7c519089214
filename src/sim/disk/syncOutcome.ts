import type { DiskErrorCode } from '../../host/disk.ts';
import type { Device, ErrorListener } from './device.ts';
import { type FileNode, type SyncSnapshot, sectorBytes } from './fileNode.ts';
import { commitSnapshot } from './media.ts';
import { type SyncErrorVariant, touches } from './rules.ts';

/**
 * Ends a sync: brings the snapshot to the device, or does with it what the faults that are on have it do. Returns the
 * error that the caller is told, or undefined. Variants after Rebello et al., "Can Applications Recover from fsync
 * Failures?" (ATC '20), and the errseq_t of Linux 4.13.
 */
export function endSync(
  device: Device,
  file: FileNode,
  path: () => string,
  snapshot: SyncSnapshot,
  handle: ErrorListener,
): DiskErrorCode | undefined {
  // A later sync of the file has brought it to the device already.
  if (snapshot.settled) return takePending(file, handle);
  const { rules } = device;
  if (!rules.isEmpty) {
    const refused = refusal(device, path, snapshot);
    if (refused !== undefined) {
      file.abandonSync(snapshot, 'keep');
      return refused;
    }
    const strike = rules.of('sync-error', path).find(({ rule }) => {
      if (rule.remaining <= 0) return false;
      if (rule.range === undefined) return true;
      return snapshot.runs.some((run) => touches(rule, run.sector * sectorBytes, run.bytes.byteLength));
    });
    if (strike !== undefined) {
      strike.rule.remaining -= 1;
      device.environment.trace.fault('disk.sync-error', device.environment.machine, strike.rule.variant);
      switch (strike.rule.variant) {
        case 'keep':
        case 'revert':
          file.abandonSync(snapshot, strike.rule.variant);
          return 'EIO';
        case 'late': {
          const earlier = takePending(file, handle);
          file.abandonSync(snapshot, 'keep');
          file.pendingError = 'EIO';
          return earlier;
        }
        case 'lost': {
          const earlier = takePending(file, handle);
          file.abandonSync(snapshot, 'keep');
          for (const listener of device.handles.get(file) ?? []) listener.pendingError = 'EIO';
          return earlier;
        }
        case 'false':
          commitSnapshot(device, file, path, snapshot);
          return 'EIO';
      }
    }
  }
  commitSnapshot(device, file, path, snapshot);
  return takePending(file, handle);
}

/**
 * Whether the sync of a directory fails, and how. Its names stay as they are, durable or not (`false`: they are). A
 * directory has no pages whose write-back could fail unseen, so `late` and `lost` pass it by, as do faults of a byte range.
 */
export function strikeDirectory(device: Device, path: string): SyncErrorVariant | undefined {
  if (device.rules.isEmpty) return undefined;
  const strike = device.rules
    .of('sync-error', () => path)
    .find(({ rule }) => {
      return rule.remaining > 0 && rule.range === undefined && rule.variant !== 'late' && rule.variant !== 'lost';
    });
  if (strike === undefined) return undefined;
  strike.rule.remaining -= 1;
  device.environment.trace.fault('disk.sync-error', device.environment.machine, strike.rule.variant);
  return strike.rule.variant;
}

function refusal(device: Device, path: () => string, snapshot: SyncSnapshot): DiskErrorCode | undefined {
  if (device.rules.of('gone', path).length > 0) return 'ENODEV';
  if (snapshot.runs.length === 0) return undefined;
  if (device.rules.of('read-only', path).length > 0) return 'EROFS';
  if (device.rules.of('no-space', path).some(({ rule }) => rule.operation === 'sync')) return 'ENOSPC';
  return undefined;
}

/** An error of write-back is told once: to the first who asks about the file, or to this handle. */
function takePending(file: FileNode, handle: ErrorListener): DiskErrorCode | undefined {
  const code = file.pendingError ?? handle.pendingError;
  file.pendingError = undefined;
  handle.pendingError = undefined;
  return code;
}
