import { existsSync, readFileSync } from 'node:fs';
import { describeSegment, type SegmentDescription } from '../../engines/indexbus/describeSegment.ts';
import { BusError } from '../../engines/indexbus/errors.ts';
import { openSegment, segmentOver } from '../../engines/indexbus/segment.ts';
import type { Region } from '../../host/sharedMemory.ts';
import { createRealHost } from '../../real/host.ts';
import { UsageError } from '../exit.ts';

/** Describes a segment of this machine, or a file that is a copy of one. @throws UsageError where it is none */
export async function inspectTarget(target: string, directory: string | undefined): Promise<SegmentDescription> {
  try {
    if (existsSync(target)) return describeSegment(segmentOver(target, copyOf(target)));
    const { shm } = createRealHost({ name: 'inspect' });
    const place = { shm, name: target, ...(directory === undefined ? {} : { directory }) };
    const segment = await openSegment(place);
    try {
      return describeSegment(segment);
    } finally {
      segment.region.close();
    }
  } catch (error) {
    if (error instanceof BusError) throw new UsageError(`${error.code}: ${error.message}`);
    throw error;
  }
}

/** A file as a region that nobody shares. */
function copyOf(file: string): Region {
  const content = readFileSync(file);
  const bytes = new Uint8Array(new SharedArrayBuffer(Math.ceil(content.length / 4) * 4));
  bytes.set(content);
  const alone = (): never => {
    throw new Error('a copy has nobody to wait for');
  };
  return {
    name: file,
    backing: 'sab',
    bytes,
    words: new Int32Array(bytes.buffer),
    step: () => {},
    wait: alone,
    waitAsync: alone,
    wake: () => 0,
    lock: alone,
    unlock: () => {},
    evidence: () => ({ lock: 'free', process: 'gone' }),
    tuning: () => [],
    close: () => {},
  };
}
