import {
  type DirectoryEntry,
  type Disk,
  DiskError,
  type DiskFile,
  type DiskOperation,
  type DiskUsage,
  type FileInformation,
  type OpenOptions,
} from '../../host/disk.ts';
import { type Completion, callMs, type DiskClient, startOperation } from './client.ts';
import type { Device } from './device.ts';
import type { DiskEvent } from './events.ts';
import type { FileNode } from './fileNode.ts';
import type { DirectoryNode, Node } from './names.ts';
import { SimFile } from './simFile.ts';
import { strikeDirectory } from './syncOutcome.ts';

/** Where an absolute path leads: a device, the directory that it is mounted on, and the rest of the path. */
export interface Resolved {
  readonly device: Device;
  /** Without a slash at the end: '' for the root. */
  readonly mount: string;
  readonly relative: string;
}

/** The file systems of a machine as one process sees them. `resolve` gives undefined when the machine has no device. */
export function createSimDisk(
  client: DiskClient,
  resolve: (path: string) => Resolved | undefined,
  nextOperation: () => number,
): Disk {
  function run<T>(
    operation: DiskOperation,
    path: string,
    body: (place: Resolved, completion: Completion<T>) => void,
  ): Promise<T> {
    const place = resolve(path);
    return startOperation<T>(client, place?.device, operation, path, (completion) => {
      if (place === undefined) throw new DiskError('ENODEV', operation, path);
      body(place, completion);
    });
  }

  /** An operation that needs nothing but the file system's memory: its effect is now, its end after the time of a call. */
  function call<T>(operation: DiskOperation, path: string, changes: boolean, body: (place: Resolved) => T): Promise<T> {
    return run<T>(operation, path, (place, completion) => {
      place.device.check(operation, path, changes);
      const value = body(place);
      place.device.later(callMs, `disk ${operation}`, () => completion.succeed(value));
    });
  }

  function emit(place: Resolved, kind: DiskEvent['kind'], path: string, fields: Partial<DiskEvent> = {}): void {
    place.device.emit(() => ({
      kind,
      incarnation: client.incarnation,
      path,
      file: 0,
      operation: 0,
      offset: 0,
      bytes: 0,
      ...fields,
    }));
  }

  function open(path: string, options: OpenOptions): Promise<DiskFile> {
    return call<DiskFile>('open', path, false, (place) => {
      const file = openNode(place, path, options);
      emit(place, 'open', path, { file: file.id });
      return new SimFile({
        client,
        device: place.device,
        file,
        mount: place.mount,
        path,
        writable: options.mode !== 'read',
        uncached: options.uncached ?? false,
        nextOperation,
      });
    });
  }

  function rename(from: string, to: string): Promise<void> {
    return call<void>('rename', from, true, (place) => {
      const target = resolve(to);
      if (target?.device !== place.device) {
        throw new DiskError('EINVAL', 'rename', from, { detail: `${to} is on another device` });
      }
      const moved = renameNode(place, target, from, to);
      if (moved !== undefined) emit(place, 'rename', from, { to, file: moved.id });
    });
  }

  function remove(path: string): Promise<void> {
    return call<void>('remove', path, true, (place) => {
      const { directory, name, node } = place.device.names.place(place.relative, 'remove', path);
      if (node === undefined) throw new DiskError('ENOENT', 'remove', path);
      if (node.kind === 'directory' && node.entries.size > 0) throw new DiskError('ENOTEMPTY', 'remove', path);
      place.device.names.change([{ directory, name, node: undefined }]);
      place.device.namesChanged();
      emit(place, 'remove', path, { file: node.id });
    });
  }

  function list(path: string): Promise<DirectoryEntry[]> {
    return call<DirectoryEntry[]>('list', path, false, (place) =>
      [...findDirectory(place, 'list', path).entries]
        .map(([name, node]) => ({ name, kind: node.kind }) satisfies DirectoryEntry)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }

  function stat(path: string): Promise<FileInformation> {
    return call('stat', path, false, (place) => {
      const node = place.device.names.find(place.relative, 'stat', path);
      return {
        kind: node.kind,
        bytes: node.kind === 'file' ? node.length : 0,
        device: place.device.number,
        modifiedWall: node.modifiedWall,
      };
    });
  }

  function makeDirectory(path: string): Promise<void> {
    return call<void>('makeDirectory', path, false, (place) => {
      const parts = place.relative.split('/').filter((part) => part !== '');
      for (let count = 1; count <= parts.length; count++) {
        const relative = parts.slice(0, count).join('/');
        const { directory, name, node } = place.device.names.place(relative, 'makeDirectory', path);
        if (node?.kind === 'directory') continue;
        if (node !== undefined)
          throw new DiskError(count === parts.length ? 'EEXIST' : 'ENOTDIR', 'makeDirectory', path);
        const made = place.device.newDirectory();
        addNode(place, directory, name, made, 'makeDirectory', path);
        emit(place, 'make-directory', `${place.mount}/${relative}`, { file: made.id });
      }
    });
  }

  function syncDirectory(path: string): Promise<void> {
    return run<void>('syncDirectory', path, (place, completion) => {
      const { device } = place;
      device.check('syncDirectory', path, false);
      const directory = findDirectory(place, 'syncDirectory', path);
      const operation = nextOperation();
      const fields = { operation, file: directory.id };
      emit(place, 'sync-directory-begin', path, fields);
      const commit = device.names.beginSync(directory);
      device.queue.submit('sync', 0, () => {
        if (device.rules.of('gone', () => path).length > 0) {
          emit(place, 'sync-directory-fail', path, { ...fields, code: 'ENODEV' });
          completion.fail(new DiskError('ENODEV', 'syncDirectory', path));
          return;
        }
        const strike = strikeDirectory(device, path);
        if (strike !== undefined) {
          if (strike === 'false') commit();
          emit(place, 'sync-directory-fail', path, { ...fields, code: 'EIO' });
          completion.fail(new DiskError('EIO', 'syncDirectory', path));
          return;
        }
        const lying = device.rules.of('lying-sync', () => path)[0];
        if (lying === undefined) commit();
        else device.later(lying.rule.delayMs, `disk ${device.name} drains`, commit);
        emit(place, 'sync-directory-complete', path, fields);
        completion.succeed(undefined);
      });
    });
  }

  function usage(path: string): Promise<DiskUsage> {
    return call('usage', path, false, (place) => {
      place.device.names.find(place.relative, 'usage', path);
      return place.device.usage();
    });
  }

  return { open, rename, remove, list, stat, makeDirectory, syncDirectory, usage };
}

function openNode(place: Resolved, path: string, options: OpenOptions): FileNode {
  const { device } = place;
  if (place.relative === '') throw new DiskError('EISDIR', 'open', path);
  const { directory, name, node } = device.names.place(place.relative, 'open', path);
  if (options.mode !== 'read') device.check('open', path, true);
  if (node !== undefined) {
    if (options.mode === 'create-new') throw new DiskError('EEXIST', 'open', path);
    if (node.kind === 'directory') throw new DiskError('EISDIR', 'open', path);
    return node;
  }
  if (options.mode === 'read' || options.mode === 'write') throw new DiskError('ENOENT', 'open', path);
  const file = device.newFile();
  addNode(place, directory, name, file, 'open', path);
  return file;
}

function addNode(
  place: Resolved,
  directory: DirectoryNode,
  name: string,
  node: Node,
  operation: DiskOperation,
  path: string,
): void {
  place.device.check(operation, path, true);
  if (place.device.usage().freeInodes < 1)
    throw new DiskError('ENOSPC', operation, path, { detail: 'no inode is free' });
  place.device.names.change([{ directory, name, node }]);
  place.device.namesChanged();
}

/** Moves the name; undefined when both names are the same file already. */
function renameNode(from: Resolved, to: Resolved, path: string, toPath: string): Node | undefined {
  const { names } = from.device;
  const source = names.place(from.relative, 'rename', path);
  const node = source.node;
  if (node === undefined) throw new DiskError('ENOENT', 'rename', path);
  const target = names.place(to.relative, 'rename', toPath);
  if (target.node === node) return undefined;
  if (node.kind === 'directory' && `${to.relative}/`.startsWith(`${from.relative}/`)) {
    throw new DiskError('EINVAL', 'rename', path, { detail: `${toPath} lies below it` });
  }
  if (target.node?.kind === 'directory') {
    if (node.kind === 'file') throw new DiskError('EISDIR', 'rename', toPath);
    if (target.node.entries.size > 0) throw new DiskError('ENOTEMPTY', 'rename', toPath);
  } else if (target.node !== undefined && node.kind === 'directory') {
    throw new DiskError('ENOTDIR', 'rename', toPath);
  }
  names.change([
    { directory: source.directory, name: source.name, node: undefined },
    { directory: target.directory, name: target.name, node },
  ]);
  from.device.namesChanged();
  return node;
}

function findDirectory(place: Resolved, operation: DiskOperation, path: string): DirectoryNode {
  const node = place.device.names.find(place.relative, operation, path);
  if (node.kind !== 'directory') throw new DiskError('ENOTDIR', operation, path);
  return node;
}
