import {
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type DiskOperation,
  type WriteOptions,
} from '../../host/disk.ts';
import { type Completion, callMs, type DiskClient, startOperation } from './client.ts';
import type { Device } from './device.ts';
import type { DiskEvent } from './events.ts';
import { type FileNode, roundToPage, sectorBytes } from './fileNode.ts';
import type { ActiveRule, RuleOf } from './rules.ts';
import { endSync } from './syncOutcome.ts';

/** `allocate` writes zeros in pieces of this many bytes. */
const allocateChunkBytes = 1 << 20;

/** Locks that are held: the process that has the file, and its handle. */
const locks = new WeakMap<FileNode, { readonly client: DiskClient; readonly handle: SimFile }>();

/** A file that one process has open. Its work on the device goes on when the process dies; its promises do not. */
export class SimFile implements DiskFile {
  pendingError: DiskErrorCode | undefined;
  readonly #client: DiskClient;
  readonly #device: Device;
  readonly #file: FileNode;
  readonly #mount: string;
  readonly #writable: boolean;
  readonly #uncached: boolean;
  readonly #nextOperation: () => number;
  #lastPath: string;
  #closed = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #forgetDeath: () => void;

  constructor(options: {
    client: DiskClient;
    device: Device;
    file: FileNode;
    mount: string;
    path: string;
    writable: boolean;
    uncached: boolean;
    nextOperation: () => number;
  }) {
    this.#client = options.client;
    this.#device = options.device;
    this.#file = options.file;
    this.#mount = options.mount;
    this.#lastPath = options.path;
    this.#writable = options.writable;
    this.#uncached = options.uncached;
    this.#nextOperation = options.nextOperation;
    const { handles } = this.#device;
    const others = handles.get(this.#file);
    if (others === undefined) handles.set(this.#file, new Set([this]));
    else others.add(this);
    this.#forgetDeath = this.#client.onDeath(() => this.#detach());
  }

  /** The name that the file has now, or had last. */
  get path(): string {
    const relative = this.#device.relativePath(this.#file);
    if (relative !== undefined) this.#lastPath = `${this.#mount}/${relative}`;
    return this.#lastPath;
  }

  read(position: number, into: Uint8Array): Promise<number> {
    return this.#run<number>('read', (done) => {
      this.#position('read', position);
      const file = this.#file;
      const wanted = () => Math.max(0, Math.min(into.byteLength, file.length - position));
      const sectors = file.deviceSectors(position, wanted(), this.#uncached);
      this.#device.check('read', this.path, false);
      const finish = (): void => {
        const count = wanted();
        try {
          this.#transfer(count, (from, to) => {
            this.#readPart(position + from, into.subarray(from, to));
          });
        } catch (error) {
          this.#emit('read-fail', { offset: position, bytes: count, ...codeOf(error) });
          done.fail(error);
          return;
        }
        this.#emit('read', { offset: position, bytes: count });
        if (!this.#uncached) this.#device.cached(sectors.length * sectorBytes);
        done.succeed(count, count);
      };
      if (sectors.length === 0) this.#device.later(callMs, 'disk read', finish);
      else this.#device.queue.submit('read', sectors.length * sectorBytes, finish);
    });
  }

  write(position: number, buffers: readonly Uint8Array[], options: WriteOptions): Promise<void> {
    return this.#run<void>('write', (done) => {
      this.#mustBeWritable('write', 'EBADF');
      this.#position('write', position);
      let bytes = 0;
      for (const buffer of buffers) bytes += buffer.byteLength;
      const operation = this.#nextOperation();
      if (options.durable) this.#emit('durable-write-begin', { operation, offset: position, bytes, data: buffers });
      try {
        this.#writeCached(position, bytes, buffers);
      } catch (error) {
        const kind = options.durable ? 'durable-write-fail' : 'write-fail';
        this.#emit(kind, { operation, offset: position, bytes, ...codeOf(error) });
        throw error;
      }
      this.#emit('write', { operation, offset: position, bytes, data: buffers });
      if (!options.durable) {
        this.#device.later(callMs, 'disk write', () => done.succeed(undefined, bytes));
        return;
      }
      this.#syncTo('durable', (code) => {
        const kind = code === undefined ? 'durable-write-complete' : 'durable-write-fail';
        this.#emit(kind, { operation, offset: position, bytes, ...(code === undefined ? {} : { code }) });
        if (code === undefined) done.succeed(undefined, bytes);
        // As from the real disk: what failed is the sync, and its bytes may be in the cache and nowhere else.
        else done.fail(new DiskError(code, 'sync', this.path));
      });
    });
  }

  sync(): Promise<void> {
    return this.#run<void>('sync', (done) => {
      this.#device.check('sync', this.path, false);
      const operation = this.#nextOperation();
      const bytes = this.#file.dirtyBytes;
      this.#emit('sync-begin', { operation, bytes });
      this.#syncTo('sync', (code) => {
        const kind = code === undefined ? 'sync-complete' : 'sync-fail';
        this.#emit(kind, { operation, bytes, ...(code === undefined ? {} : { code }) });
        if (code === undefined) done.succeed(undefined, bytes);
        else done.fail(new DiskError(code, 'sync', this.path));
      });
    });
  }

  truncate(bytes: number): Promise<void> {
    return this.#run<void>('truncate', (done) => {
      this.#position('truncate', bytes);
      this.#mustBeWritable('truncate', 'EINVAL');
      this.#device.check('truncate', this.path, true);
      this.#file.setLength(bytes);
      this.#file.modifiedWall = this.#device.environment.wall();
      this.#device.spaceChanged();
      this.#emit('truncate', { offset: bytes });
      this.#device.later(callMs, 'disk truncate', () => done.succeed(undefined, bytes));
    });
  }

  allocate(bytes: number): Promise<void> {
    return this.#run<void>('allocate', (done) => {
      this.#position('allocate', bytes);
      const before = this.#file.length;
      if (bytes <= before) {
        this.#device.later(callMs, 'disk allocate', () => done.succeed(undefined, before));
        return;
      }
      this.#mustBeWritable('allocate', 'EBADF');
      try {
        this.#device.check('allocate', this.path, true);
        this.#refuseWrite('allocate', before, bytes - before);
        if (!this.#device.reserve(this.#file, roundToPage(bytes))) throw new DiskError('ENOSPC', 'allocate', this.path);
      } catch (error) {
        this.#emit('allocate-fail', { offset: bytes, ...codeOf(error) });
        throw error;
      }
      this.#file.setLength(Math.max(this.#file.length, bytes));
      this.#emit('allocate', { offset: bytes });
      this.#writeZeros(bytes - before, () => done.succeed(undefined, bytes));
    });
  }

  size(): Promise<number> {
    return this.#run<number>('size', (done) => {
      this.#device.check('size', this.path, false);
      this.#device.later(callMs, 'disk size', () => done.succeed(this.#file.length, this.#file.length));
    });
  }

  lock(): Promise<void> {
    return this.#run<void>('lock', (done) => {
      this.#device.check('lock', this.path, false);
      const holder = locks.get(this.#file);
      if (holder !== undefined && holder.handle !== this) {
        const holderPid = holder.client.pid;
        throw new DiskError('ELOCKED', 'lock', this.path, { detail: `process ${holderPid} holds it`, holderPid });
      }
      locks.set(this.#file, { client: this.#client, handle: this });
      this.#emit('lock', {});
      this.#device.later(callMs, 'disk lock', () => done.succeed(undefined));
    });
  }

  close(): Promise<void> {
    return this.#operate<void>('close', (done) => {
      if (this.#closed) throw new DiskError('EBADF', 'close', this.path, { detail: 'the file is closed' });
      this.#closed = true;
      const finish = (): void => {
        this.#detach();
        this.#forgetDeath();
        this.#emit('close', {});
        this.#device.later(callMs, 'disk close', () => done.succeed(undefined));
      };
      if (this.#inFlight === 0) finish();
      else this.#onIdle = finish;
    });
  }

  #operate<T>(operation: DiskOperation, body: (done: Completion<T>) => void): Promise<T> {
    return startOperation<T>(this.#client, this.#device, operation, this.path, body);
  }

  /** An operation that `close` waits for. */
  #run<T>(operation: DiskOperation, body: (done: Completion<T>) => void): Promise<T> {
    return this.#operate<T>(operation, (done) => {
      if (this.#closed) throw new DiskError('EBADF', operation, this.path, { detail: 'the file is closed' });
      this.#inFlight += 1;
      const idle = (): void => {
        this.#inFlight -= 1;
        if (this.#inFlight === 0) this.#onIdle?.();
      };
      try {
        body({
          succeed: (value, traced) => {
            done.succeed(value, traced);
            idle();
          },
          fail: (error) => {
            done.fail(error);
            idle();
          },
        });
      } catch (error) {
        idle();
        throw error;
      }
    });
  }

  /** The lock and the handle are gone: closed, or the process is dead. */
  #detach(): void {
    if (locks.get(this.#file)?.handle === this) locks.delete(this.#file);
    const others = this.#device.handles.get(this.#file);
    others?.delete(this);
    if (others?.size === 0) this.#device.handles.delete(this.#file);
  }

  #mustBeWritable(operation: DiskOperation, code: DiskErrorCode): void {
    if (!this.#writable) throw new DiskError(code, operation, this.path, { detail: 'opened for reading' });
  }

  #position(operation: DiskOperation, position: number): void {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new DiskError('EINVAL', operation, this.path, { detail: `position or length ${position}` });
    }
  }

  /** Errors of writing that faults have decided; a failed write may have written a part, which this does. */
  #refuseWrite(operation: 'write' | 'allocate', position: number, bytes: number, part?: (count: number) => void): void {
    const { rules, faultRandom } = this.#device;
    if (rules.isEmpty) return;
    const path = () => this.path;
    if (rules.of('no-space', path, position, bytes).some(({ rule }) => rule.operation === 'write')) {
      throw new DiskError('ENOSPC', operation, this.path);
    }
    for (const active of rules.of('io-error', path, position, bytes)) {
      if (active.rule.operation !== 'write' || !this.#strikes(active, position)) continue;
      if (bytes > 0) part?.(faultRandom.integer(0, bytes - 1));
      throw new DiskError('EIO', operation, this.path);
    }
  }

  #strikes(active: ActiveRule<RuleOf<'io-error'>>, position: number): boolean {
    const place = `${this.#file.id}/${Math.floor(position / sectorBytes)}`;
    if (active.struck.has(place)) return true;
    if (!this.#device.faultRandom.chance(active.rule.share)) return false;
    if (!active.rule.transient) active.struck.add(place);
    return true;
  }

  #writeCached(position: number, bytes: number, buffers: readonly Uint8Array[]): void {
    const file = this.#file;
    this.#device.check('write', this.path, true);
    const put = (from: number, to: number): void => {
      let start = 0;
      for (const buffer of buffers) {
        const low = Math.max(from, start);
        const high = Math.min(to, start + buffer.byteLength);
        if (low < high) file.write(position + low, buffer.subarray(low - start, high - start));
        start += buffer.byteLength;
      }
    };
    const reserved = (count: number): boolean => this.#device.reserve(file, roundToPage(position + count));
    this.#refuseWrite('write', position, bytes, (count) => {
      if (reserved(count)) put(0, count);
    });
    if (!reserved(bytes)) {
      // What fits is written, as the kernel does before it says that there is no space.
      const fits = Math.min(bytes, file.reservedTo - position);
      if (fits > 0) put(0, fits);
      throw new DiskError('ENOSPC', 'write', this.path);
    }
    this.#transfer(bytes, put);
    file.modifiedWall = this.#device.environment.wall();
  }

  /** Moves `count` bytes by as many calls as it takes: under `short-io` one call moves only a part, and the loop goes on. */
  #transfer(count: number, move: (from: number, to: number) => void): void {
    const { rules, faultRandom } = this.#device;
    const short = rules.isEmpty ? [] : rules.of('short-io', () => this.path);
    let done = 0;
    while (done < count) {
      let to = count;
      for (const { rule } of short) {
        if (count - done > 1 && faultRandom.chance(rule.share)) {
          to = Math.min(to, done + faultRandom.integer(1, count - done - 1));
          this.#device.shortTransfers += 1;
        }
      }
      move(done, to);
      done = to;
    }
  }

  /** One system call that reads: the range is known to lie within the file. */
  #readPart(position: number, into: Uint8Array): void {
    const file = this.#file;
    const { rules, faultRandom } = this.#device;
    this.#device.check('read', this.path, false);
    if (rules.isEmpty && file.badSectors.size === 0) {
      file.read(position, into, this.#uncached);
      return;
    }
    const path = () => this.path;
    const sectors = file.deviceSectors(position, into.byteLength, this.#uncached);
    // What the page cache knows never reaches the device, where these faults live.
    if (sectors.length > 0) {
      for (const active of rules.of('io-error', path, position, into.byteLength)) {
        if (active.rule.operation === 'read' && this.#strikes(active, position)) {
          throw new DiskError('EIO', 'read', this.path);
        }
      }
      const bad = sectors.find((sector) => file.badSectors.has(sector));
      if (bad !== undefined) throw new DiskError('EIO', 'read', this.path, { detail: `bad sector ${bad}` });
    }
    let shift = 0;
    const places = Math.ceil(file.length / sectorBytes);
    for (const { rule } of sectors.length > 0 ? rules.of('misdirected-read', path, position, into.byteLength) : []) {
      if (places > 1 && faultRandom.chance(rule.share)) shift = faultRandom.integer(1, places - 1);
    }
    file.read(position, into, this.#uncached, (sector) => file.mediaSector((sector + shift) % Math.max(places, 1)));
  }

  #syncTo(kind: 'sync' | 'durable', ended: (code: DiskErrorCode | undefined) => void): void {
    const bytes = this.#file.dirtyBytes;
    const snapshot = this.#file.beginSync();
    this.#device.queue.submit(kind, bytes, () => {
      const code = endSync(this.#device, this.#file, () => this.path, snapshot, this);
      // What was written may be dropped from now on.
      this.#device.cached(bytes);
      ended(code);
    });
  }

  #writeZeros(left: number, done: () => void): void {
    if (left <= 0) {
      done();
      return;
    }
    const chunk = Math.min(left, allocateChunkBytes);
    this.#device.queue.submit('write', chunk, () => this.#writeZeros(left - chunk, done));
  }

  #emit(kind: DiskEvent['kind'], fields: Partial<DiskEvent>): void {
    this.#device.emit(() => ({
      kind,
      incarnation: this.#client.incarnation,
      path: this.path,
      file: this.#file.id,
      operation: 0,
      offset: 0,
      bytes: 0,
      ...fields,
    }));
  }
}

function codeOf(error: unknown): { code?: DiskErrorCode } {
  return error instanceof DiskError ? { code: error.code } : {};
}
