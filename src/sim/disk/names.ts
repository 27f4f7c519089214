import { DiskError, type DiskOperation } from '../../host/disk.ts';
import type { RandomStream } from '../../host/random.ts';
import type { PowerLossMode } from '../devices.ts';
import type { FileNode } from './fileNode.ts';

/** A directory: its names as processes see them, and as the device holds them. */
export class DirectoryNode {
  readonly kind = 'directory';
  readonly id: number;
  readonly modifiedWall: number;
  entries = new Map<string, Node>();
  durable = new Map<string, Node>();

  constructor(id: number, modifiedWall: number) {
    this.id = id;
    this.modifiedWall = modifiedWall;
  }
}

export type Node = FileNode | DirectoryNode;

interface NameChange {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

/** One change of names that is kept or undone as a whole. */
interface NameOperation {
  readonly changes: readonly NameChange[];
  /** Directories whose sync it still waits for. */
  readonly waiting: Set<DirectoryNode>;
}

/** Where a path leads: the directory, the last name in it, and what stands there. */
export interface Place {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

/**
 * The tree of names of one file system, with a durability of its own: a change of names is durable once every directory
 * that it touches was synced. A power loss keeps or undoes each waiting change as a whole, never a later one without the
 * earlier ones on the same names.
 */
export class NameTable {
  readonly root: DirectoryNode;
  #pending: NameOperation[] = [];

  constructor(root: DirectoryNode) {
    this.root = root;
  }

  /** What stands at a path relative to the root ('' is the root itself). ENOENT, ENOTDIR. */
  find(relative: string, operation: DiskOperation, path: string): Node {
    let node: Node = this.root;
    for (const part of parts(relative)) {
      if (node.kind !== 'directory') throw new DiskError('ENOTDIR', operation, path);
      const next: Node | undefined = node.entries.get(part);
      if (next === undefined) throw new DiskError('ENOENT', operation, path);
      node = next;
    }
    return node;
  }

  /** The place of a path whose last name may be missing. ENOENT or ENOTDIR for the directory, EINVAL for the root. */
  place(relative: string, operation: DiskOperation, path: string): Place {
    const names = parts(relative);
    const name = names.pop();
    if (name === undefined) throw new DiskError('EINVAL', operation, path, { detail: 'the root of a file system' });
    const directory = this.find(names.join('/'), operation, path);
    if (directory.kind !== 'directory') throw new DiskError('ENOTDIR', operation, path);
    return { directory, name, node: directory.entries.get(name) };
  }

  /** Makes the changes now; durable when all their directories were synced. */
  change(changes: readonly NameChange[]): void {
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
    }
    this.#pending.push({ changes, waiting: new Set(changes.map((change) => change.directory)) });
  }

  /** Which changes a sync of the directory that begins now will cover. */
  beginSync(directory: DirectoryNode): () => void {
    const covered = this.#pending.filter((operation) => operation.waiting.has(directory));
    return () => {
      for (const operation of covered) operation.waiting.delete(directory);
      this.#commit();
    };
  }

  /** Whether the name of this node is on the device. */
  isDurable(directory: DirectoryNode, name: string): boolean {
    return directory.durable.get(name) === directory.entries.get(name);
  }

  /** Keeps or undoes each waiting change by mode; afterwards everything is durable. */
  powerLoss(mode: PowerLossMode, random: RandomStream): void {
    const pending = this.#pending;
    this.#pending = [];
    // `tear` keeps a prefix, as a file system does that journals its names in order; others choose one by one.
    const prefix = mode === 'tear' && pending.length > 0 ? random.integer(0, pending.length) : 0;
    const undone = new Map<DirectoryNode, Set<string>>();
    pending.forEach((operation, index) => {
      const rests = operation.changes.some(({ directory, name }) => undone.get(directory)?.has(name));
      const kept = !rests && keeps(mode, index, prefix, random);
      for (const { directory, name, node } of operation.changes) {
        if (kept) applyTo(directory.durable, name, node);
        else undone.set(directory, (undone.get(directory) ?? new Set()).add(name));
      }
    });
    for (const directory of this.directories('either')) directory.entries = new Map(directory.durable);
  }

  /** Every directory that a process can reach now, or that either layer knows. */
  directories(layer: 'live' | 'either'): DirectoryNode[] {
    const found = new Set<DirectoryNode>([this.root]);
    for (const directory of found) {
      for (const node of directory.entries.values()) if (node.kind === 'directory') found.add(node);
      if (layer === 'live') continue;
      for (const node of directory.durable.values()) if (node.kind === 'directory') found.add(node);
    }
    return [...found];
  }

  /** Every file by its path relative to the root, depth first, names in order. */
  files(): Map<string, FileNode> {
    const found = new Map<string, FileNode>();
    const visit = (directory: DirectoryNode, prefix: string): void => {
      for (const name of [...directory.entries.keys()].sort()) {
        const node = directory.entries.get(name);
        if (node?.kind === 'file') found.set(`${prefix}${name}`, node);
        else if (node !== undefined) visit(node, `${prefix}${name}/`);
      }
    };
    visit(this.root, '');
    return found;
  }

  /** Path of a node relative to the root, or undefined when no name leads to it. */
  pathOf(node: Node): string | undefined {
    const search = (directory: DirectoryNode, prefix: string): string | undefined => {
      for (const [name, entry] of directory.entries) {
        if (entry === node) return `${prefix}${name}`;
        const below = entry.kind === 'directory' ? search(entry, `${prefix}${name}/`) : undefined;
        if (below !== undefined) return below;
      }
      return undefined;
    };
    return node === this.root ? '' : search(this.root, '');
  }

  /** Moves to the device what waits for nothing, with the earlier changes that it rests on. */
  #commit(): void {
    const names = new Map<DirectoryNode, Set<string>>();
    const committed = new Set<NameOperation>();
    for (const operation of [...this.#pending].reverse()) {
      const needed = operation.changes.some(({ directory, name }) => names.get(directory)?.has(name));
      if (operation.waiting.size > 0 && !needed) continue;
      committed.add(operation);
      for (const { directory, name } of operation.changes) {
        names.set(directory, (names.get(directory) ?? new Set()).add(name));
      }
    }
    if (committed.size === 0) return;
    for (const operation of this.#pending) {
      if (!committed.has(operation)) continue;
      for (const { directory, name, node } of operation.changes) applyTo(directory.durable, name, node);
    }
    this.#pending = this.#pending.filter((operation) => !committed.has(operation));
  }
}

function keeps(mode: PowerLossMode, index: number, prefix: number, random: RandomStream): boolean {
  if (mode === 'all-durable') return true;
  if (mode === 'drop') return false;
  return mode === 'tear' ? index < prefix : random.chance(0.5);
}

function applyTo(entries: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

function parts(relative: string): string[] {
  return relative.split('/').filter((part) => part !== '' && part !== '.');
}
