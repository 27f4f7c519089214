import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk, DiskErrorCode, DiskFile } from '../../src/host/disk.ts';

/** What the conformance body needs of a disk under test. */
export interface DiskUnderTest {
  readonly disk: Disk;
  /** An empty directory. */
  readonly directory: string;
  /** Settles a promise of the disk: the simulator has to run its world meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Removes what the test left. */
  cleanUp(): Promise<void>;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What every `Disk` must do: run against the kernel's and against the simulated one. */
export function describeDiskConformance(name: string, create: () => Promise<DiskUnderTest>): void {
  describe(`disk conformance: ${name}`, () => {
    let subject: DiskUnderTest;
    let disk: Disk;
    let opened: DiskFile[];
    beforeEach(async () => {
      subject = await create();
      disk = subject.disk;
      opened = [];
    });
    afterEach(async () => {
      for (const file of opened) await subject.settle(file.close()).catch(() => undefined);
      await subject.cleanUp();
    });

    const at = (entry: string): string => `${subject.directory}/${entry}`;
    const run = <T>(promise: Promise<T>): Promise<T> => subject.settle(promise);
    async function open(entry: string, mode: 'read' | 'write' | 'create' | 'create-new', uncached = false) {
      const file = await run(disk.open(at(entry), { mode, uncached }));
      opened.push(file);
      return file;
    }
    async function content(file: DiskFile): Promise<string> {
      const into = new Uint8Array(await run(file.size()));
      expect(await run(file.read(0, into))).toBe(into.byteLength);
      return new TextDecoder().decode(into);
    }
    async function failure(code: DiskErrorCode, promise: Promise<unknown>): Promise<void> {
      await expect(run(promise)).rejects.toMatchObject({ name: 'DiskError', code });
    }

    it('should read back what was written, before and after a sync', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('hello '), text(''), text('world')], { durable: false }));
      expect(await content(file)).toBe('hello world');
      await run(file.sync());
      expect(await content(file)).toBe('hello world');
      expect(await content(await open('a', 'read', true))).toBe('hello world');
    });

    it('should write durably in the middle and past the end, with zeros between', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('0123456789')], { durable: true }));
      await run(file.write(3, [text('ab'), text('c')], { durable: true }));
      await run(file.write(12, [text('z')], { durable: true }));
      expect(await content(file)).toBe('012abc6789\0\0z');
    });

    it('should write more buffers than one system call takes', async () => {
      const file = await open('a', 'create');
      const buffers = Array.from({ length: 2500 }, (_, index) => text(String(index % 10)));
      await run(file.write(0, buffers, { durable: true }));
      expect(await content(file)).toBe(Array.from({ length: 2500 }, (_, index) => index % 10).join(''));
    });

    it('should read fewer bytes only at the end of the file', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('12345')], { durable: false }));
      expect(await run(file.read(3, new Uint8Array(10)))).toBe(2);
      expect(await run(file.read(5, new Uint8Array(10)))).toBe(0);
      expect(await run(file.read(500, new Uint8Array(10)))).toBe(0);
      expect(await run(file.read(0, new Uint8Array(0)))).toBe(0);
    });

    it('should touch nothing of the buffer beyond what was read', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('12')], { durable: false }));
      const into = new Uint8Array(4).fill(7);
      await run(file.read(0, into));
      expect([...into]).toEqual([49, 50, 7, 7]);
    });

    it('should shorten and lengthen with zeros', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('123456')], { durable: false }));
      await run(file.truncate(3));
      expect(await content(file)).toBe('123');
      await run(file.truncate(5));
      expect(await content(file)).toBe('123\0\0');
      expect(await run(file.size())).toBe(5);
      await failure('EINVAL', file.truncate(-1));
    });

    it('should allocate zeros, and never shorten', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('abc')], { durable: false }));
      await run(file.allocate(3_000_000));
      expect(await run(file.size())).toBe(3_000_000);
      await run(file.allocate(10));
      expect(await run(file.size())).toBe(3_000_000);
      const into = new Uint8Array(3_000_000).fill(1);
      await run(file.read(0, into));
      expect(new TextDecoder().decode(into.subarray(0, 3))).toBe('abc');
      expect(into.subarray(3).every((byte) => byte === 0)).toBe(true);
    });

    it('should keep to the mode of opening', async () => {
      await failure('ENOENT', disk.open(at('a'), { mode: 'read' }));
      await failure('ENOENT', disk.open(at('a'), { mode: 'write' }));
      const file = await open('a', 'create-new');
      await run(file.write(0, [text('x')], { durable: false }));
      await failure('EEXIST', disk.open(at('a'), { mode: 'create-new' }));
      expect(await content(await open('a', 'create'))).toBe('x');
      const reader = await open('a', 'read');
      await failure('EBADF', reader.write(0, [text('y')], { durable: false }));
      await failure('EINVAL', reader.truncate(0));
      expect(await content(reader)).toBe('x');
    });

    it('should refuse paths that cannot be', async () => {
      const file = await open('a', 'create');
      await run(disk.makeDirectory(at('d')));
      await failure('ENOENT', disk.open(at('no/a'), { mode: 'create' }));
      await failure('ENOTDIR', disk.open(at('a/b'), { mode: 'create' }));
      await failure('EISDIR', disk.open(at('d'), { mode: 'read' }));
      await failure('EISDIR', disk.open(at('d'), { mode: 'create' }));
      await failure('ENOTDIR', disk.list(at('a')));
      await failure('ENOENT', disk.list(at('no')));
      await failure('ENOENT', disk.stat(at('no')));
      await failure('ENOENT', disk.remove(at('no')));
      await failure('ENOENT', disk.syncDirectory(at('no')));
      await failure('ENOTDIR', disk.syncDirectory(at('a')));
      await failure('EEXIST', disk.makeDirectory(at('a')));
      await failure('ENOTDIR', disk.makeDirectory(at('a/b')));
      await failure('EINVAL', disk.stat('relative'));
      expect(await run(file.size())).toBe(0);
    });

    it('should refuse a closed file', async () => {
      const file = await run(disk.open(at('a'), { mode: 'create' }));
      const pending = file.write(0, [text('x')], { durable: true });
      await run(file.close());
      await run(pending);
      await failure('EBADF', file.read(0, new Uint8Array(1)));
      await failure('EBADF', file.write(0, [text('x')], { durable: true }));
      await failure('EBADF', file.sync());
      await failure('EBADF', file.close());
    });

    it('should make directories with their parents and list them by name', async () => {
      await run(disk.makeDirectory(at('d/e/f')));
      await run(disk.makeDirectory(at('d/e')));
      for (const name of ['b', 'B', 'a10', 'a9']) await open(`d/${name}`, 'create');
      expect(await run(disk.list(at('d')))).toEqual([
        { name: 'B', kind: 'file' },
        { name: 'a10', kind: 'file' },
        { name: 'a9', kind: 'file' },
        { name: 'b', kind: 'file' },
        { name: 'e', kind: 'directory' },
      ]);
      await run(disk.syncDirectory(at('d')));
    });

    it('should make directories whose parents somebody else makes at the same time', async () => {
      for (let round = 0; round < 50; round++) {
        // Who asks for the parent makes it just after the first has missed it.
        const paths = ['/e', '', '/e/f/g', '/e/f', '/e/h'].map((below) => at(`d${round}${below}`));
        await run(Promise.all(paths.map((path) => disk.makeDirectory(path))));
        for (const path of paths) expect((await run(disk.stat(path))).kind).toBe('directory');
      }
    });

    it('should make a directory that somebody else removes at the same time, or find it', async () => {
      for (let round = 0; round < 50; round++) {
        const [above, path] = [at(`d${round}`), at(`d${round}/e`)];
        await run(disk.makeDirectory(path));
        const removals = (async () => {
          await disk.remove(path);
          await disk.remove(above);
        })().catch((error: unknown) =>
          expect(error).toMatchObject({ code: expect.stringMatching('^ENO(ENT|TEMPTY)$') }),
        );
        await run(Promise.all([removals, disk.makeDirectory(path), disk.makeDirectory(above)]));
        // Whoever was last has the last word.
        await run(disk.makeDirectory(path));
        expect((await run(disk.stat(path))).kind).toBe('directory');
      }
    });

    it('should rename over what stood there, and keep open files', async () => {
      const first = await open('a', 'create');
      const second = await open('b', 'create');
      await run(first.write(0, [text('first')], { durable: false }));
      await run(second.write(0, [text('second')], { durable: false }));
      await run(disk.rename(at('a'), at('b')));
      expect(await content(await open('b', 'read'))).toBe('first');
      expect(await content(second)).toBe('second');
      await failure('ENOENT', disk.stat(at('a')));
      await failure('ENOENT', disk.rename(at('a'), at('c')));
      await failure('ENOENT', disk.rename(at('b'), at('no/c')));
      await run(disk.rename(at('b'), at('b')));
      expect((await run(disk.stat(at('b')))).bytes).toBe(5);
    });

    it('should rename directories with what is in them', async () => {
      await run(disk.makeDirectory(at('d')));
      await open('d/a', 'create');
      await run(disk.rename(at('d'), at('e')));
      expect((await run(disk.list(at('e')))).map((entry) => entry.name)).toEqual(['a']);
      await run(disk.makeDirectory(at('f')));
      await failure('ENOTEMPTY', disk.rename(at('f'), at('e')));
      await failure('EINVAL', disk.rename(at('e'), at('e/below')));
      const file = await open('g', 'create');
      await failure('EISDIR', disk.rename(at('g'), at('f')));
      await failure('ENOTDIR', disk.rename(at('f'), at('g')));
      expect(await run(file.size())).toBe(0);
    });

    it('should remove files and empty directories', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('still')], { durable: false }));
      await run(disk.remove(at('a')));
      await failure('ENOENT', disk.stat(at('a')));
      expect(await content(file)).toBe('still');
      await run(disk.makeDirectory(at('d/e')));
      await failure('ENOTEMPTY', disk.remove(at('d')));
      await run(disk.remove(at('d/e')));
      await run(disk.remove(at('d')));
      expect(await run(disk.list(subject.directory))).toEqual([]);
    });

    it('should tell what a path is', async () => {
      const file = await open('a', 'create');
      await run(file.write(0, [text('12345')], { durable: false }));
      const information = await run(disk.stat(at('a')));
      expect(information).toMatchObject({ kind: 'file', bytes: 5 });
      const parent = await run(disk.stat(subject.directory));
      expect(parent).toMatchObject({ kind: 'directory', bytes: 0, device: information.device });
      expect(information.modifiedWall).toBeGreaterThan(0);
    });

    it('should tell the space of the file system', async () => {
      const usage = await run(disk.usage(subject.directory));
      expect(usage.totalBytes).toBeGreaterThan(0);
      expect(usage.freeBytes).toBeGreaterThan(0);
      expect(usage.freeBytes).toBeLessThanOrEqual(usage.totalBytes);
      expect(usage.freeInodes).toBeGreaterThan(0);
      await failure('ENOENT', disk.usage(at('no')));
    });

    it('should lock a file once, until it is closed', async () => {
      const first = await run(disk.open(at('LOCK'), { mode: 'create' }));
      await run(first.lock());
      await run(first.lock());
      const second = await open('LOCK', 'create');
      await expect(run(second.lock())).rejects.toMatchObject({ code: 'ELOCKED', holderPid: expect.any(Number) });
      await run(first.close());
      await run(second.lock());
    });

    it('should lock files of their own apart, and keep the data of a locked one', async () => {
      const first = await open('a', 'create');
      const second = await open('b', 'create');
      await run(first.write(0, [text('some data')], { durable: false }));
      await run(first.lock());
      await run(second.lock());
      expect(await content(first)).toBe('some data');
    });
  });
}
