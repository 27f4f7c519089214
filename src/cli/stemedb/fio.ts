import { execFile } from 'node:child_process';
import { z } from 'zod';

/** What fio measured of the same kind of write, in milliseconds: write and fdatasync together. */
export interface FioResult {
  readonly version: string;
  readonly writes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const latency = z.object({ percentile: z.record(z.string(), z.number()) });
const output = z.object({
  'fio version': z.string(),
  jobs: z
    .array(
      z.object({ write: z.object({ clat_ns: latency }), sync: z.object({ total_ios: z.number(), lat_ns: latency }) }),
    )
    .min(1),
});

/** Runs fio with one job of 4 KiB writes, an fdatasync after each; undefined if it is not installed. */
export async function runFio(directory: string, tag: string, seconds: number): Promise<FioResult | undefined> {
  const file = `${directory}/hotfire-bench-${tag}.fio`;
  const parameters = [
    '--name=fsync-test',
    '--rw=write',
    '--bs=4k',
    '--size=64M',
    '--fdatasync=1',
    // Onto blocks that are written already, as into a preallocated segment: a first write also changes the file system.
    '--overwrite=1',
    '--numjobs=1',
    '--time_based',
    `--runtime=${seconds}`,
    `--filename=${file}`,
    '--unlink=1',
    '--output-format=json',
  ];
  const text = await new Promise<string | undefined>((resolve, reject) => {
    execFile('fio', parameters, { maxBuffer: 16 * 2 ** 20 }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
    });
  });
  if (text === undefined) return undefined;
  const result = output.parse(JSON.parse(text));
  const [job] = result.jobs;
  const at = (percent: string) =>
    ((job?.write.clat_ns.percentile[percent] ?? Number.NaN) + (job?.sync.lat_ns.percentile[percent] ?? Number.NaN)) /
    1e6;
  return {
    version: result['fio version'],
    writes: job?.sync.total_ios ?? 0,
    p50Ms: at('50.000000'),
    p99Ms: at('99.000000'),
  };
}
