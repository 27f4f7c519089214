import fs, { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeAddon } from '../../../src/real/native.ts';
import { createUringFileCalls } from '../../../src/real/uring/fileCalls.ts';

const { errno } = constants;
const failing = (code: string) => expect.objectContaining({ code });

/** The calls of a file over a ring that answers with `results`, or is full when there are none left. */
function answering(results: (readonly [result: number, sync: number])[]) {
  const asked: string[] = [];
  const late: (() => boolean)[] = [];
  const ask = (name: string) => () => {
    asked.push(name);
    return results.length === 0 ? -1 : 0;
  };
  const addon = {
    uringRead: ask('read'),
    uringWrite: ask('write'),
    uringZero: ask('zero'),
    uringSync: ask('sync'),
    uringAllocate: ask('allocate'),
    uringForget: ask('forget'),
  };
  const calls = createUringFileCalls({
    // The calls of a file use no others.
    addon: addon as unknown as NativeAddon,
    mode: 'plain',
    awaits(slot, completion) {
      const next = slot < 0 ? undefined : results.shift();
      if (next === undefined) return false;
      completion(...next);
      return true;
    },
    inTurn(attempt) {
      if (!attempt()) late.push(attempt);
    },
  });
  return { calls, asked, late };
}

describe('what a ring answers, as the calls of a file tell it', () => {
  const bytes = [new Uint8Array(8)];
  const sync = (answer: readonly [number, number]) =>
    new Promise((resolve) => answering([answer]).calls.writeAndSync(1, bytes, 0, (...said) => resolve(said)));

  it('should tell the write from the sync behind it', async () => {
    expect(await sync([8, 0])).toEqual([undefined, 8, 'made']);
    expect(await sync([8, -errno.ECANCELED])).toEqual([undefined, 8, 'missing']);
    expect(await sync([3, -errno.ECANCELED])).toEqual([undefined, 3, 'missing']);
    expect(await sync([8, -errno.EIO])).toEqual([undefined, 8, { failed: failing('EIO') }]);
    expect(await sync([-errno.ENOSPC, -errno.ECANCELED])).toEqual([failing('ENOSPC'), 0, 'missing']);
  });

  it('should leave a file system without fallocate to the zeros, and tell one that is full', async () => {
    const reserve = (result: number) =>
      new Promise((resolve) => answering([[result, 0]]).calls.reserve(1, 0, 10, resolve));
    expect(await reserve(0)).toBeUndefined();
    expect(await reserve(-errno.EOPNOTSUPP)).toBeUndefined();
    expect(await reserve(-errno.ENOSPC)).toEqual(failing('ENOSPC'));
  });

  it('should send bulk and what a full ring refuses by node:fs', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hotfire-calls-'));
    const fd = fs.openSync(join(directory, 'file'), 'w+');
    const { calls, asked } = answering([]);
    const write = (buffers: readonly Uint8Array[]) =>
      new Promise((resolve) => calls.write(fd, buffers, 0, (error, written) => resolve(error ?? written)));
    expect(await write([new Uint8Array(200_000).fill(1)])).toBe(200_000);
    expect(asked).toEqual([]);
    expect(await write([Uint8Array.of(2)])).toBe(1);
    const synced = await new Promise((resolve) => calls.writeAndSync(fd, bytes, 1, (...said) => resolve(said)));
    expect(synced).toEqual([undefined, 8, 'made']);
    const into = new Uint8Array(10);
    const read = (length: number) =>
      new Promise((resolve) => calls.read(fd, into, 0, length, 0, (error, count) => resolve(error ?? count)));
    expect(await read(10)).toBe(10);
    expect([...into]).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(asked).toEqual(['write', 'write', 'read']);
    fs.closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  it('should keep a direct write for the ring, whose memory alone is aligned', async () => {
    const results: [number, number][] = [];
    const { calls, asked, late } = answering(results);
    const direct = new Promise((resolve) => calls.writeDirect(1, bytes, 0, (_error, written) => resolve(written)));
    expect(asked).toEqual(['write']);
    results.push([8, 0]);
    expect(late.map((attempt) => attempt())).toEqual([true]);
    expect(await direct).toBe(8);
  });
});
