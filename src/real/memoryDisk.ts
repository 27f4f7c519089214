import process from 'node:process';
import { type Disk, DiskError, type DiskErrorCode, type DiskFile, type DiskOperation } from '../host/disk.ts';

interface FileNode {
  readonly kind: 'file';
  /** The first `length` bytes count; the rest is room to grow. */
  bytes: Uint8Array;
  length: number;
  modifiedWall: number;
  /** The open file that holds the lock. */
  lockedBy: object | undefined;
}

interface DirectoryNode {
  readonly kind: 'directory';
  readonly entries: Map<string, FileNode | DirectoryNode>;
  modifiedWall: number;
}

/** What `usage` says that there is: memory has no size of its own. */
const totalBytes = 2 ** 36;

/**
 * A disk in the memory of this process, for brokers and stores that live as long as a test. It behaves as the machine's own does,
 * without its waiting: what is written is there until the disk is forgotten. Not for measuring, and not for power losses.
 */
export function createMemoryDisk(): Disk {
  const root = newDirectory();

  /** Finds what a path names; its parent, and its last name. */
  function find(operation: DiskOperation, path: string) {
    if (!path.startsWith('/')) throw failed('EINVAL', operation, path);
    const names = path.split('/').filter((name) => name !== '');
    const last = names.pop();
    let parent = root;
    for (const name of names) {
      const next = parent.entries.get(name);
      if (next === undefined) throw failed('ENOENT', operation, path);
      if (next.kind === 'file') throw failed('ENOTDIR', operation, path);
      parent = next;
    }
    const node = last === undefined ? root : parent.entries.get(last);
    return { parent, name: last ?? '', node };
  }

  function existing(operation: DiskOperation, path: string): FileNode | DirectoryNode {
    const { node } = find(operation, path);
    if (node === undefined) throw failed('ENOENT', operation, path);
    return node;
  }

  function directory(operation: DiskOperation, path: string): DirectoryNode {
    const node = existing(operation, path);
    if (node.kind === 'file') throw failed('ENOTDIR', operation, path);
    return node;
  }

  return {
    async open(path, { mode }) {
      const { parent, name, node } = find('open', path);
      if (node?.kind === 'directory') throw failed('EISDIR', 'open', path);
      if (node !== undefined && mode === 'create-new') throw failed('EEXIST', 'open', path);
      if (node !== undefined) return openFile(path, node, mode === 'read');
      if (mode === 'read' || mode === 'write') throw failed('ENOENT', 'open', path);
      const made: FileNode = {
        kind: 'file',
        bytes: new Uint8Array(0),
        length: 0,
        modifiedWall: Date.now(),
        lockedBy: undefined,
      };
      parent.entries.set(name, made);
      return openFile(path, made, false);
    },
    async rename(from, to) {
      const source = find('rename', from);
      if (source.node === undefined) throw failed('ENOENT', 'rename', from);
      const target = find('rename', to);
      if (target.node === source.node) return;
      if (source.node.kind === 'directory') {
        if (`${to}/`.startsWith(`${from}/`)) throw failed('EINVAL', 'rename', to);
        if (target.node?.kind === 'file') throw failed('ENOTDIR', 'rename', to);
        if (target.node !== undefined && target.node.entries.size > 0) throw failed('ENOTEMPTY', 'rename', to);
      } else if (target.node?.kind === 'directory') {
        throw failed('EISDIR', 'rename', to);
      }
      source.parent.entries.delete(source.name);
      target.parent.entries.set(target.name, source.node);
    },
    async remove(path) {
      const { parent, name, node } = find('remove', path);
      if (node === undefined) throw failed('ENOENT', 'remove', path);
      if (node.kind === 'directory' && node.entries.size > 0) throw failed('ENOTEMPTY', 'remove', path);
      parent.entries.delete(name);
    },
    async list(path) {
      return [...directory('list', path).entries]
        .map(([name, { kind }]) => ({ name, kind }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async stat(path) {
      const node = existing('stat', path);
      const bytes = node.kind === 'file' ? node.length : 0;
      return { kind: node.kind, bytes, device: 0, modifiedWall: node.modifiedWall };
    },
    async makeDirectory(path) {
      if (!path.startsWith('/')) throw failed('EINVAL', 'makeDirectory', path);
      const names = path.split('/').filter((name) => name !== '');
      let at = root;
      for (const [index, name] of names.entries()) {
        const next = at.entries.get(name);
        if (next?.kind === 'file') {
          throw failed(index === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'makeDirectory', path);
        }
        const below = next ?? newDirectory();
        at.entries.set(name, below);
        at = below;
      }
    },
    async syncDirectory(path) {
      directory('syncDirectory', path);
    },
    async usage(path) {
      existing('usage', path);
      return { freeBytes: totalBytes / 2, totalBytes, freeInodes: 2 ** 30 };
    },
  };
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', entries: new Map(), modifiedWall: Date.now() };
}

function failed(code: DiskErrorCode, operation: DiskOperation, path: string, holderPid?: number): DiskError {
  return new DiskError(code, operation, path, holderPid === undefined ? {} : { holderPid });
}

function openFile(path: string, node: FileNode, isReadOnly: boolean): DiskFile {
  const holder = {};
  let isClosed = false;

  function check(operation: DiskOperation): void {
    if (isClosed) throw failed('EBADF', operation, path);
  }
  function setLength(bytes: number): void {
    reserve(node, bytes);
    if (bytes < node.length) node.bytes.fill(0, bytes, node.length);
    node.length = bytes;
    node.modifiedWall = Date.now();
  }

  return {
    path,
    async read(position, into) {
      check('read');
      const from = node.bytes.subarray(Math.min(position, node.length), Math.min(position + into.length, node.length));
      into.set(from);
      return from.length;
    },
    async write(position, buffers) {
      check('write');
      if (isReadOnly) throw failed('EBADF', 'write', path);
      let at = position;
      for (const buffer of buffers) {
        if (at + buffer.length > node.length) setLength(at + buffer.length);
        node.bytes.set(buffer, at);
        at += buffer.length;
      }
      node.modifiedWall = Date.now();
    },
    async sync() {
      check('sync');
    },
    async truncate(bytes) {
      check('truncate');
      if (isReadOnly || !Number.isSafeInteger(bytes) || bytes < 0) throw failed('EINVAL', 'truncate', path);
      setLength(bytes);
    },
    async allocate(bytes) {
      check('allocate');
      if (isReadOnly || !Number.isSafeInteger(bytes) || bytes < 0) throw failed('EINVAL', 'allocate', path);
      if (bytes > node.length) setLength(bytes);
    },
    async size() {
      check('size');
      return node.length;
    },
    async lock() {
      check('lock');
      if (node.lockedBy !== undefined && node.lockedBy !== holder) throw failed('ELOCKED', 'lock', path, process.pid);
      node.lockedBy = holder;
    },
    async close() {
      check('close');
      isClosed = true;
      if (node.lockedBy === holder) node.lockedBy = undefined;
    },
  };
}

/** Makes room, twice as much as there was when it must grow, so that appending costs what it appends. */
function reserve(node: FileNode, bytes: number): void {
  if (bytes <= node.bytes.length) return;
  const grown = new Uint8Array(Math.max(bytes, 2 * node.bytes.length));
  grown.set(node.bytes.subarray(0, node.length));
  node.bytes = grown;
}
