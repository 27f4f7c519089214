import { readFileSync, statSync } from 'node:fs';
import { EngineError, ExitCode } from '../../engines/engine.ts';
import { exitOf } from '../../engines/indexbus/bringUp.ts';
import { describeSegment, type SegmentDescription } from '../../engines/indexbus/describeSegment.ts';
import { BusError, type BusErrorCode } from '../../engines/indexbus/errors.ts';
import { explanations } from '../../engines/indexbus/explain.ts';
import { openSegment, segmentOver } from '../../engines/indexbus/segment.ts';
import type { Region } from '../../host/sharedMemory.ts';
import { createRealHost } from '../../real/host.ts';
import { UsageError } from '../exit.ts';

/** Codes of what cannot be read as a segment: there is none, or the data are damaged, or another's. */
const unreadable: readonly BusErrorCode[] = ['IB_NO_SEGMENT', 'IB_FOREIGN', 'IB_VERSION', 'IB_TRUNCATED', 'IB_CORRUPT'];

/**
 * Describes a segment of this machine, or a file that is a copy of one.
 *
 * @param target a file where it has a `/`, or is one of the working directory; else, and wherever `directory` is told, a name
 * @throws UsageError for what is neither; EngineError with exit code 65 where there is no such segment, or what is there cannot be read as one, 77 where
 * this user may not read it
 */
export async function inspectTarget(
  target: string,
  directory: string | undefined,
  group?: string,
): Promise<SegmentDescription> {
  const isFile = directory === undefined && (target.includes('/') || isRegularFile(target));
  try {
    if (isFile) return describeSegment(segmentOver(target, copyOf(target)));
    const { shm } = createRealHost({ name: 'inspect' });
    const whose = group === undefined ? {} : { group };
    const place = { shm, name: target, ...(directory === undefined ? {} : { directory }), ...whose };
    const segment = await openSegment(place);
    try {
      return describeSegment(segment);
    } finally {
      segment.region.close();
    }
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    if (error.code === 'IB_NOT_PERMITTED')
      throw new EngineError(error.code, exitOf(error.code), error.message, { cause: error });
    if (!unreadable.includes(error.code)) throw new UsageError(`${error.code}: ${error.message}`);
    // What the message advises for a segment that is routed is no advice for a copy.
    const { expected, got } = error;
    const what = isFile
      ? `${target}: ${explanations[error.code].means} Expected ${expected}, got ${got}`
      : error.message;
    throw new EngineError(error.code, ExitCode.data, what, { cause: error });
  }
}

function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function contentOf(file: string): Buffer {
  try {
    if (!statSync(file).isFile())
      throw new UsageError(`${file}: expected the name of a segment, or a file that is a copy of one`);
    return readFileSync(file);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A file as a region that nobody shares. @throws UsageError where it cannot be read */
function copyOf(file: string): Region {
  const content = contentOf(file);
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
