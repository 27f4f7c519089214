import { DiskError, type DiskErrorCode } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { type DiskMeter, meterDisk } from '../../storage/meteredDisk.ts';
import type { StemeMetrics } from './metrics.ts';

/** Errors that are answers to a question, such as whether a file is there: no failures of an operation. */
const ANSWERS: ReadonlySet<DiskErrorCode> = new Set(['ENOENT', 'EEXIST', 'ELOCKED']);
/** Errors of the device itself. */
const MEDIA: ReadonlySet<DiskErrorCode> = new Set(['EIO', 'EROFS', 'ENODEV']);
/** A failing disk must not fill the log with lines: one in this time, with the count of those left out. */
const LOG_EVERY_MS = 1_000;

/** The host with a disk whose calls are counted, timed and, when they fail, logged. */
export function watchDisk(host: Host, metrics: StemeMetrics): Host {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let leftOut = 0;

  const meter: DiskMeter = (operation, path, durationMs, error) => {
    metrics.storageOperations.inc({ operation });
    metrics.storageSeconds.observe({ operation }, durationMs / 1000);
    if (error === undefined || ANSWERS.has(error.code)) return;
    metrics.storageErrors.inc({ operation, code: error.code });
    if (MEDIA.has(error.code)) metrics.diskErrors.inc({ code: error.code });
    const now = host.clock.now();
    if (now - loggedAt < LOG_EVERY_MS) {
      leftOut++;
      return;
    }
    host.telemetry.logger.error('disk error', { operation, path, code: error.code, leftOut });
    loggedAt = now;
    leftOut = 0;
  };

  const { name, incarnation, pid, clock, random, network, shm, telemetry } = host;
  return { name, incarnation, pid, clock, random, network, shm, telemetry, disk: meterDisk(host.disk, clock, meter) };
}

/**
 * Reads the space of both directories into the gauges, now and every `everyMs`, until the signal. A directory that
 * cannot be asked keeps its last reading.
 */
export async function watchSpace(
  host: Host,
  metrics: StemeMetrics,
  directories: Readonly<Record<'wal' | 'store', string>>,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const name of ['wal', 'store'] as const) {
      try {
        metrics.setSpace(name, await host.disk.usage(directories[name]));
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
      }
    }
    await host.clock.sleep(everyMs, signal).catch(() => undefined);
  }
}
