/**
 * What checkpoints ask of a disk: so few operations that tests can stop the world between any two of them.
 *
 * Durability follows POSIX: bytes survive a power cut after `sync` of their file, names after `syncDirectory` of their
 * directory, and `rename` within a directory is atomic.
 */
import { constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { errorCode } from '../ir/system_error.js';

export interface Disk {
  /** Makes a directory and its parents, their names synced; nothing happens where it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted; none where it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** What stands at a path, links not followed; null where nothing does. */
  kind(path: string): Promise<PathKind | null>;
  /** A new file, or an existing one emptied, written from its start; a link that stands there is not followed. */
  create(path: string): Promise<WritableFile>;
  open(path: string): Promise<ReadableFile>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with all in it; nothing happens where it does not exist. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

/** `other`: a device, a pipe, a socket. */
export type PathKind = 'file' | 'directory' | 'link' | 'other';

export interface WritableFile {
  /** Appends all of `bytes`, which the caller may change once the promise has settled. */
  write(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadableFile {
  readonly bytes: number;
  /** Bytes [begin, end); fewer where the file ends before `end`. */
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The machine's own file system. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    for (let made = resolve(path); ; made = dirname(made)) {
      await this.syncDirectory(dirname(made));
      if (made === resolve(first)) return;
    }
  },

  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },

  async kind(path) {
    try {
      const found = await lstat(path);
      return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'link' : 'other';
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  },

  async create(path) {
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const handle = await open(path, O_WRONLY | O_CREAT | O_TRUNC | (O_NOFOLLOW ?? 0), 0o666);
    return {
      async write(bytes) {
        for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },

  async open(path) {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return {
      bytes: size,
      async read(begin, end) {
        const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - begin));
        let done = 0;
        while (done < bytes.length) {
          const { bytesRead } = await handle.read(bytes, done, bytes.length - done, begin + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      },
      close: () => handle.close(),
    };
  },

  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),

  async syncDirectory(path) {
    // Windows opens no directories; its rename is durable once the file is.
    if (process.platform === 'win32') return;
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Whether a path leads to nothing: also below a file, by a link that leads to itself, and by a name that no file can have. */
export const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(errorCode(error) ?? '');
