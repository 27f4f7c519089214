import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileNode } from '../../../src/sim/disk/fileNode.ts';
import { SparseBytes } from '../../../src/sim/disk/sparseBytes.ts';

const spanBytes = 20_000;

describe('sparse bytes', () => {
  it('should hold what an array of bytes holds', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('write' as const),
        at: fc.nat(spanBytes),
        count: fc.nat(9000),
        value: fc.nat(255),
      }),
      fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(spanBytes) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const sparse = new SparseBytes();
        const twin = new Uint8Array(2 * spanBytes);
        for (const one of steps) {
          if (one.kind === 'write') {
            const bytes = new Uint8Array(one.count).fill(one.value);
            sparse.write(one.at, bytes);
            twin.set(bytes, one.at);
          } else {
            sparse.truncate(one.at);
            twin.fill(0, one.at);
          }
        }
        expect(Buffer.compare(sparse.slice(0, 2 * spanBytes), twin)).toBe(0);
      }),
    );
  });

  it('should cost nothing where nothing was written', () => {
    const sparse = new SparseBytes();
    sparse.write(2 ** 40, new Uint8Array(10));
    expect(sparse.residentBytes).toBe(4096);
  });
});

/** The dumb twin of a file: the whole content as processes see it, and as the device has it. */
class Twin {
  live = new Uint8Array(0);
  media = new Uint8Array(0);

  write(at: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.live.byteLength, bytes.byteLength === 0 ? 0 : at + bytes.byteLength));
    this.live.set(bytes, bytes.byteLength === 0 ? 0 : at);
  }

  resize(bytes: number): void {
    const next = new Uint8Array(bytes);
    next.set(this.live.subarray(0, bytes));
    this.live = next;
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      at: fc.nat(spanBytes),
      count: fc.nat(6000),
      value: fc.nat(255),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('length' as const), at: fc.nat(spanBytes) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('evict' as const), at: fc.nat(spanBytes) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dropCache' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      at: fc.nat(spanBytes),
      count: fc.nat(6000),
      uncached: fc.boolean(),
    }),
  },
);

describe('file node', () => {
  it('should show processes, and keep on the device, what a plain copy of both does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const file = new FileNode(1, 0);
        const twin = new Twin();
        for (const one of steps) {
          if (one.kind === 'write') {
            const bytes = new Uint8Array(one.count).fill(one.value);
            file.write(one.at, bytes);
            twin.write(one.at, bytes);
          } else if (one.kind === 'length') {
            file.setLength(one.at);
            twin.resize(one.at);
          } else if (one.kind === 'sync') {
            const snapshot = file.beginSync();
            file.media.truncate(snapshot.cut);
            for (const run of snapshot.runs) file.bringToMedia(run);
            file.mediaLength = snapshot.length;
            file.settle(snapshot);
            twin.media = twin.live.slice();
          } else if (one.kind === 'evict') file.evict(one.at);
          else if (one.kind === 'dropCache') {
            file.media.truncate(file.mediaLength);
            file.dropCache();
            twin.live = twin.media.slice();
          } else {
            const count = Math.max(0, Math.min(one.count, file.length - one.at));
            const into = new Uint8Array(count);
            file.read(one.at, into, one.uncached);
            expect(Buffer.compare(into, twin.live.subarray(one.at, one.at + count))).toBe(0);
          }
          const all = new Uint8Array(file.length);
          file.read(0, all, true);
          expect(Buffer.compare(all, twin.live)).toBe(0);
          expect(Buffer.compare(file.media.slice(0, twin.media.byteLength), twin.media)).toBe(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('should not let the page cache see what happens to the media, nor the media what is written to the cache', () => {
    const file = new FileNode(1, 0);
    file.write(0, new Uint8Array(8192).fill(1));
    const snapshot = file.beginSync();
    for (const run of snapshot.runs) file.bringToMedia(run);
    file.mediaLength = snapshot.length;
    file.settle(snapshot);
    file.media.write(100, Uint8Array.of(2));
    file.write(5000, Uint8Array.of(3));
    const cached = new Uint8Array(8192);
    file.read(0, cached, false);
    const media = file.media.slice(0, 8192);
    expect([cached[100], cached[5000]]).toEqual([1, 3]);
    expect([media[100], media[5000]]).toEqual([2, 1]);
    file.media.truncate(4200);
    file.read(0, cached, false);
    expect([cached[4300], file.media.slice(4300, 1)[0]]).toEqual([1, 0]);
  });
});
