import { describe, expect, it } from 'vitest';
import { type FileCalls, nodeFileCalls, type SyncOutcome } from '../../src/real/fileCalls.ts';
import { readAll, writeAll, writeAllAndSync } from '../../src/real/fileLoops.ts';

const kernel = (code: string) => Object.assign(new Error(code), { code });

/** A file in memory whose calls take few bytes at a time and are interrupted; `syncs` are the answers to the syncs to come. */
function reluctant(mostBytes: number, syncs: (SyncOutcome | 'EINTR')[] = []) {
  const content: number[] = [];
  const log: string[] = [];
  let calls = 0;
  const write: FileCalls['write'] = (_fd, buffers, position, done) => {
    calls += 1;
    if (calls % 3 === 0) {
      done(kernel(calls % 2 === 0 ? 'EINTR' : 'EAGAIN'), 0);
      return;
    }
    const bytes = buffers.flatMap((buffer) => [...buffer]).slice(0, mostBytes);
    for (const [index, byte] of bytes.entries()) content[position + index] = byte;
    log.push(`write ${bytes.length}`);
    done(undefined, bytes.length);
  };
  const answer = (): SyncOutcome => {
    const next = syncs.shift() ?? 'made';
    log.push(typeof next === 'string' ? `sync ${next}` : 'sync failed');
    return next === 'EINTR' ? { failed: kernel('EINTR') } : next;
  };
  const file: FileCalls = {
    ...nodeFileCalls,
    write,
    writeAndSync(fd, buffers, position, done) {
      const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      write(fd, buffers, position, (error, written) => done(error, written, written < total ? 'missing' : answer()));
    },
    sync(_fd, done) {
      const outcome = answer();
      done(typeof outcome === 'string' ? undefined : outcome.failed);
    },
    read(_fd, into, offset, length, position, done) {
      calls += 1;
      const count = Math.max(0, Math.min(length, mostBytes, content.length - position));
      if (calls % 3 === 0) done(kernel('EINTR'), 0);
      else {
        into.set(content.slice(position, position + count), offset);
        done(undefined, count);
      }
    },
  };
  return { file, content, log };
}

const bytes = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
const buffers = [bytes.subarray(0, 7), new Uint8Array(0), bytes.subarray(7, 8), bytes.subarray(8)];
const ended = (run: (done: (error?: unknown) => void) => void) => new Promise(run);

describe('calls that do less than they are asked for', () => {
  it('should be made until everything is written, and read', async () => {
    const { file, content } = reluctant(3);
    expect(await ended((done) => writeAll(file.write, 1, 0, buffers, done))).toBeUndefined();
    expect(content).toEqual([...bytes]);
    const into = new Uint8Array(30);
    expect(await new Promise((resolve, reject) => readAll(file, 1, 2, into, resolve, reject))).toBe(18);
    expect([...into.subarray(0, 18)]).toEqual([...bytes.subarray(2)]);
  });

  it('should be synced once, behind the last of the bytes', async () => {
    const { file, content, log } = reluctant(8);
    expect(await ended((done) => writeAllAndSync(file, 1, '/a', 0, buffers, done))).toBeUndefined();
    expect(content).toEqual([...bytes]);
    expect(log).toEqual(['write 8', 'write 8', 'write 4', 'sync made']);
  });

  it('should be synced apart when the linked sync was cancelled or interrupted', async () => {
    for (const first of ['missing', 'EINTR'] as const) {
      const { file, log } = reluctant(100, [first, 'EINTR', 'made']);
      expect(await ended((done) => writeAllAndSync(file, 1, '/a', 0, buffers, done))).toBeUndefined();
      expect(log).toEqual(['write 20', `sync ${first}`, 'sync EINTR', 'sync made']);
    }
  });

  it('should not sync again behind a sync that failed, and name it', async () => {
    const { file, log } = reluctant(100, [{ failed: kernel('ENOSPC') }]);
    const error = await ended((done) => writeAllAndSync(file, 1, '/a', 0, buffers, done));
    expect(error).toMatchObject({ name: 'DiskError', operation: 'sync', code: 'ENOSPC' });
    expect(log).toEqual(['write 20', 'sync failed']);
  });

  it('should end when nothing is taken and no error given', async () => {
    const { file } = reluctant(0);
    expect(await ended((done) => writeAll(file.write, 1, 0, buffers, done))).toBeInstanceOf(Error);
    expect(await ended((done) => writeAllAndSync(file, 1, '/a', 0, buffers, done))).toBeInstanceOf(Error);
  });
});
