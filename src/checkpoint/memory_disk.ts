/**
 * A disk in memory that can fill up, fail and lose power, so that tests reach what a real disk shows once a year.
 *
 * Two states are kept: what running programs see, and what a power cut leaves. Each directory's changes of names reach the
 * disk in order, any number of them surviving a cut (all after `syncDirectory`), whatever other directories lost; a file
 * keeps the bytes it had at its last `sync` and, beyond those, any prefix.
 */
import { basename, dirname } from 'node:path';
import type { Disk } from './disk.js';

export interface MemoryDiskOptions {
  /** Bytes that fit; a write beyond fails with ENOSPC after what fits has been written. */
  readonly capacityBytes?: number;
  /** Called before each operation that changes the disk, with its index and text; what it throws, the operation throws. */
  readonly before?: (operation: { readonly index: number; readonly text: string }) => void;
}

export interface MemoryDisk extends Disk {
  /** Operations so far that changed the disk, or failed to, as text. */
  readonly operations: readonly string[];
  /**
   * The disk after a power cut. `survives` is asked for each part that was not synced: how much of it, in [0, 1], is
   * left: of a directory (its path ends with /) the changes of names, of a file the bytes.
   */
  afterPowerCut(survives: (part: string) => number, options?: MemoryDiskOptions): MemoryDisk;
  /** Changes a file behind everyone's back. */
  corrupt(path: string, change: (bytes: Uint8Array) => Uint8Array): void;
}

interface FileNode {
  bytes: Uint8Array;
  synced: Uint8Array;
}

interface DirectoryNode {
  readonly names: Map<string, Node>;
  readonly durable: Map<string, Node>;
  /** Changes of names that a power cut may undo, oldest first. */
  readonly pending: NameChange[];
}

type Node = FileNode | DirectoryNode;
type NameChange = (names: Map<string, Node>) => void;

export function memoryDisk(options: MemoryDiskOptions = {}, root: DirectoryNode = emptyDirectory()): MemoryDisk {
  const capacity = options.capacityBytes ?? Infinity;
  const operations: string[] = [];

  const change = (text: string) => {
    const index = operations.length;
    operations.push(text);
    options.before?.({ index, text });
  };
  const find = (path: string): Node | undefined => {
    if (path === dirname(path)) return root;
    const parent = find(dirname(path));
    return parent && isDirectory(parent) ? parent.names.get(basename(path)) : undefined;
  };
  const directoryAt = (path: string): DirectoryNode => {
    const node = find(path);
    if (node && isDirectory(node)) return node;
    throw systemError(node ? 'ENOTDIR' : 'ENOENT', path);
  };
  const fileAt = (path: string): FileNode => {
    const node = find(path);
    if (node && !isDirectory(node)) return node;
    throw systemError(node ? 'EISDIR' : 'ENOENT', path);
  };
  const rename = (directory: DirectoryNode, nameChange: NameChange) => {
    nameChange(directory.names);
    directory.pending.push(nameChange);
  };

  const sync = (directory: DirectoryNode) => {
    for (const nameChange of directory.pending.splice(0)) nameChange(directory.durable);
  };

  return {
    operations,

    async makeDirectory(path) {
      if (find(path)) return;
      change(`mkdir ${path}`);
      for (const part of ancestors(path)) {
        if (find(part)) continue;
        const made = emptyDirectory();
        const parent = directoryAt(dirname(part));
        rename(parent, (names) => names.set(basename(part), made));
        sync(parent);
      }
    },

    async list(path) {
      return find(path) ? [...directoryAt(path).names.keys()].sort() : [];
    },

    async kind(path) {
      const node = find(path);
      return node ? (isDirectory(node) ? 'directory' : 'file') : null;
    },

    async create(path) {
      change(`create ${path}`);
      const file: FileNode = { bytes: new Uint8Array(), synced: new Uint8Array() };
      rename(directoryAt(dirname(path)), (names) => names.set(basename(path), file));
      return {
        async write(bytes) {
          change(`write ${path} ${bytes.length}`);
          const fits = Math.max(0, Math.min(bytes.length, capacity - usedBytes(root)));
          file.bytes = concatenate(file.bytes, bytes.subarray(0, fits));
          if (fits < bytes.length) throw systemError('ENOSPC', path);
        },
        async sync() {
          change(`sync ${path}`);
          file.synced = file.bytes;
        },
        async close() {},
      };
    },

    async open(path) {
      const { bytes } = fileAt(path);
      return {
        bytes: bytes.length,
        async read(begin, end) {
          return bytes.slice(begin, end);
        },
        async close() {},
      };
    },

    async rename(from, to) {
      change(`rename ${from} ${to}`);
      const moved = find(from);
      const target = find(to);
      if (!moved) throw systemError('ENOENT', from);
      if (dirname(from) !== dirname(to)) throw systemError('EXDEV', to);
      if (target && isDirectory(target) && target.names.size > 0) throw systemError('ENOTEMPTY', to);
      rename(directoryAt(dirname(to)), (names) => {
        names.delete(basename(from));
        names.set(basename(to), moved);
      });
    },

    async remove(path) {
      const node = find(path);
      if (!node) return;
      if (isDirectory(node)) for (const name of [...node.names.keys()]) await this.remove(`${path}/${name}`);
      change(`unlink ${path}`);
      rename(directoryAt(dirname(path)), (names) => names.delete(basename(path)));
    },

    async syncDirectory(path) {
      change(`sync directory ${path}`);
      sync(directoryAt(path));
    },

    afterPowerCut: (survives, next) => memoryDisk(next, afterPowerCut(root, '', survives)),

    corrupt(path, alter) {
      const file = fileAt(path);
      file.bytes = alter(file.bytes.slice());
      file.synced = file.bytes;
    },
  };
}

/** An error as the operating system reports it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

const isDirectory = (node: Node): node is DirectoryNode => 'names' in node;

const emptyDirectory = (): DirectoryNode => ({ names: new Map(), durable: new Map(), pending: [] });

const usedBytes = (node: Node): number =>
  isDirectory(node) ? [...node.names.values()].reduce((sum, child) => sum + usedBytes(child), 0) : node.bytes.length;

function afterPowerCut(directory: DirectoryNode, path: string, survives: (part: string) => number): DirectoryNode {
  const names = new Map(directory.durable);
  const kept = Math.round(survives(`${path}/`) * directory.pending.length);
  for (const nameChange of directory.pending.slice(0, kept)) nameChange(names);
  const left = emptyDirectory();
  for (const [name, node] of names) {
    const at = `${path}/${name}`;
    const survivor = isDirectory(node) ? afterPowerCut(node, at, survives) : fileAfterPowerCut(node, survives(at));
    left.names.set(name, survivor);
    left.durable.set(name, survivor);
  }
  return left;
}

function fileAfterPowerCut({ bytes, synced }: FileNode, fraction: number): FileNode {
  const left = bytes.slice(0, synced.length + Math.round(fraction * (bytes.length - synced.length)));
  return { bytes: left, synced: left };
}

/** `/a/b` gives `/a`, `/a/b`. */
function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === dirname(parent) ? [path] : [...ancestors(parent), path];
}

function concatenate(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
