/**
 * A disk in memory that can fill up, fail and lose power, so that tests reach what a real disk shows once a year.
 *
 * Two states are kept: what running programs see, and what a power cut leaves. Names reach the disk in the order in which
 * a journal holds them, any prefix of it surviving a cut (all of a directory's after `syncDirectory`); a file keeps the
 * bytes it had at its last `sync` and, beyond those, any prefix.
 */
import { dirname } from 'node:path';
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
   * The disk after a power cut. `survives` is asked for each part that was not synced: how much of it, in [0, 1], reached
   * the platter.
   */
  afterPowerCut(survives: (part: string) => number, options?: MemoryDiskOptions): MemoryDisk;
  /** Changes a file behind everyone's back. */
  corrupt(path: string, change: (bytes: Uint8Array) => Uint8Array): void;
}

interface Inode {
  bytes: Uint8Array;
  synced: Uint8Array;
}

type JournalEntry =
  | { kind: 'link'; directory: string; path: string; inode: Inode | null }
  | { kind: 'unlink'; directory: string; path: string }
  | { kind: 'rename'; directory: string; from: string; to: string };

/** Path → file, or null for a directory. */
type Tree = Map<string, Inode | null>;

export function memoryDisk(options: MemoryDiskOptions = {}, initial?: Tree): MemoryDisk {
  const capacity = options.capacityBytes ?? Infinity;
  const tree: Tree = new Map(initial ?? []);
  const durable: Tree = new Map(initial ?? []);
  const journal: JournalEntry[] = [];
  const operations: string[] = [];

  const change = (text: string) => {
    const index = operations.length;
    operations.push(text);
    options.before?.({ index, text });
  };
  const record = (entry: JournalEntry) => {
    journal.push(entry);
    applyEntry(tree, entry);
  };
  const used = () => [...tree.values()].reduce((sum, inode) => sum + (inode?.bytes.length ?? 0), 0);
  const under = (path: string) => [...tree.keys()].filter((name) => name.startsWith(`${path}/`));

  return {
    operations,

    async makeDirectory(path) {
      if (tree.has(path)) return;
      change(`mkdir ${path}`);
      for (const part of ancestors(path)) {
        if (!tree.has(part)) record({ kind: 'link', directory: dirname(part), path: part, inode: null });
      }
    },

    async list(path) {
      return [...tree.keys()]
        .filter((name) => dirname(name) === path)
        .map((name) => name.slice(path.length + 1))
        .sort();
    },

    async exists(path) {
      return tree.has(path);
    },

    async create(path) {
      change(`create ${path}`);
      if (tree.get(dirname(path)) !== null) throw systemError('ENOENT', path);
      const inode: Inode = { bytes: new Uint8Array(), synced: new Uint8Array() };
      record({ kind: 'link', directory: dirname(path), path, inode });
      return {
        async write(bytes) {
          change(`write ${path} ${bytes.length}`);
          const fits = Math.max(0, Math.min(bytes.length, capacity - used()));
          inode.bytes = concatenate(inode.bytes, bytes.subarray(0, fits));
          if (fits < bytes.length) throw systemError('ENOSPC', path);
        },
        async sync() {
          change(`sync ${path}`);
          inode.synced = inode.bytes;
        },
        async close() {},
      };
    },

    async open(path) {
      const inode = tree.get(path);
      if (!inode) throw systemError(inode === null ? 'EISDIR' : 'ENOENT', path);
      return {
        bytes: inode.bytes.length,
        async read(begin, end) {
          return inode.bytes.slice(begin, end);
        },
        async close() {},
      };
    },

    async rename(from, to) {
      change(`rename ${from} ${to}`);
      if (!tree.has(from)) throw systemError('ENOENT', from);
      if (under(to).length > 0) throw systemError('ENOTEMPTY', to);
      record({ kind: 'rename', directory: dirname(to), from, to });
    },

    async remove(path) {
      if (!tree.has(path)) return;
      for (const name of [...under(path).sort().reverse(), path]) {
        change(`unlink ${name}`);
        record({ kind: 'unlink', directory: dirname(name), path: name });
      }
    },

    async syncDirectory(path) {
      change(`sync directory ${path}`);
      // A journal commits in order: whatever came before the last entry of this directory is durable with it.
      const last = journal.findLastIndex((entry) => entry.directory === path);
      for (const entry of journal.splice(0, last + 1)) applyEntry(durable, entry);
    },

    afterPowerCut(survives, next = {}) {
      const left: Tree = new Map(durable);
      const kept = Math.round(survives('journal') * journal.length);
      for (const entry of journal.slice(0, kept)) applyEntry(left, entry);
      const files: Tree = new Map();
      for (const [path, inode] of left) {
        if (inode === null) files.set(path, null);
        else {
          const beyond = inode.bytes.length - inode.synced.length;
          const bytes = inode.bytes.slice(0, inode.synced.length + Math.round(survives(path) * beyond));
          files.set(path, { bytes, synced: bytes });
        }
      }
      return memoryDisk(next, files);
    },

    corrupt(path, alter) {
      const inode = tree.get(path);
      if (!inode) throw systemError('ENOENT', path);
      inode.bytes = alter(inode.bytes.slice());
      inode.synced = inode.bytes;
    },
  };
}

/** An error as the operating system reports it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function applyEntry(tree: Tree, entry: JournalEntry): void {
  switch (entry.kind) {
    case 'link':
      tree.set(entry.path, entry.inode);
      break;
    case 'unlink':
      tree.delete(entry.path);
      break;
    case 'rename':
      for (const [path, inode] of [...tree]) {
        if (path !== entry.from && !path.startsWith(`${entry.from}/`)) continue;
        tree.delete(path);
        tree.set(entry.to + path.slice(entry.from.length), inode);
      }
  }
}

/** `/a/b` gives `/a`, `/a/b`. */
function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path || parent === '.' ? [path] : [...ancestors(parent), path];
}

function concatenate(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
