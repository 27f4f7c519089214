import type { Device } from '../../../sim/disk/device.ts';
import type { Sample } from '../stand.ts';

/** Series of node_exporter for one device: the names of its diskstats collector. */
export function diskSamples(device: Device): Sample[] {
  const counters = device.statistics;
  const { freeBytes, totalBytes } = device.usage();
  const series: readonly (readonly [name: string, help: string, type: Sample['type'], value: number])[] = [
    ['node_disk_reads_completed_total', 'The total number of reads completed successfully.', 'counter', counters.reads],
    ['node_disk_read_bytes_total', 'The total number of bytes read successfully.', 'counter', counters.readBytes],
    [
      'node_disk_writes_completed_total',
      'The total number of writes completed successfully.',
      'counter',
      counters.writes,
    ],
    [
      'node_disk_written_bytes_total',
      'The total number of bytes written successfully.',
      'counter',
      counters.writtenBytes,
    ],
    [
      'node_disk_flush_requests_total',
      'The total number of flush requests completed successfully.',
      'counter',
      counters.flushes,
    ],
    ['node_disk_io_time_seconds_total', 'Total seconds spent doing I/Os.', 'counter', counters.ioTimeMs / 1000],
    [
      'node_disk_io_time_weighted_seconds_total',
      'The weighted # of seconds spent doing I/Os.',
      'counter',
      counters.weightedIoTimeMs / 1000,
    ],
    // The name as the runbook's rule has it: misspelt, with the same value.
    [
      'node_disk_io_weighted_seconds_total',
      'node_disk_io_time_weighted_seconds_total under the name of an older rule.',
      'counter',
      counters.weightedIoTimeMs / 1000,
    ],
    ['node_disk_io_now', 'The number of I/Os currently in progress.', 'gauge', counters.inFlight],
    ['node_filesystem_avail_bytes', 'Filesystem space available to non-root users in bytes.', 'gauge', freeBytes],
    ['node_filesystem_size_bytes', 'Filesystem size in bytes.', 'gauge', totalBytes],
  ];
  return series.map(([name, help, type, value]) => ({ name, help, type, labels: { device: device.name }, value }));
}
