/**
 * What the system refuses, in words and with what to do: every diagnostic that a path leads to takes its reason from here, so that
 * `EACCES: permission denied, open '…'` is said in one way wherever it happens.
 */

/** Why something could not be done with a file or folder. */
export interface SystemProblem {
  /** A clause: `the disk is full (ENOSPC)`. Of an error that is not the system's, its message. */
  readonly problem: string;
  /** What to do about it; null where the error is not one that the system gives for paths. */
  readonly remedy: string | null;
}

/** The system's code of an error (`ENOSPC`, `ENOENT`), or null. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** What an error of a file operation comes to. */
export function systemProblem(error: unknown): SystemProblem {
  const code = errorCode(error);
  if (code !== null && Object.hasOwn(known, code)) {
    const [problem, remedy] = known[code];
    return { problem: `${problem} (${code})`, remedy };
  }
  return { problem: error instanceof Error ? error.message : String(error), remedy: null };
}

const otherPlace = 'choose a folder on another disk';
const permission = [
  'permission is denied',
  'give the user who runs this permission there (`ls -ld` says whose it is), or choose another place',
] as const;

/** Code → what is so, what to do. */
const known: Readonly<Record<string, readonly [problem: string, remedy: string]>> = {
  ENOENT: ['there is no such file or folder', 'check the path; a link must lead to something that is there'],
  EACCES: permission,
  EPERM: permission,
  EROFS: ['the file system is read-only', 'choose a folder that can be written to, or mount it so'],
  ENOSPC: ['the disk is full', `free space there, or ${otherPlace}`],
  EDQUOT: ['the quota of this user is used up', `remove what is not needed there, or ${otherPlace}`],
  EFBIG: [
    'the file would be larger than the file system or a limit allows',
    `raise the limit (\`ulimit -f\`), or ${otherPlace}`,
  ],
  ELOOP: ['its symbolic links lead in a circle', 'mend or remove the link'],
  ENAMETOOLONG: ['the path or a name in it is longer than the file system allows', 'use shorter names'],
  ENOTDIR: ['a part of the path is a file where a folder is needed', 'check the path'],
  EISDIR: ['it is a folder', 'name a file'],
  EEXIST: ['something else has this name', 'choose another name, or move what has it'],
  ENOTEMPTY: ['the folder is not empty', 'choose another name, or move what is in it'],
  EMFILE: ['this process has as many files open as it may', 'raise the limit: `ulimit -n 4096`'],
  ENFILE: ['the system has as many files open as it can', 'close programs, or raise the limit of the system'],
  EBUSY: ['it is in use', 'wait until nothing else uses it'],
  ETXTBSY: ['it is in use as a program', 'wait until nothing else uses it'],
  EIO: ['the disk reports an error', 'look into the log of the system; the disk or its connection may be failing'],
  ESTALE: ['the network disk has lost the file', 'mount it anew'],
  ENXIO: ['it is a device or a socket, or nobody is at its other end', 'name an ordinary file'],
  ENODEV: ['it is a device that is not there', 'name an ordinary file'],
  EXDEV: ['it lies on another disk', 'choose a folder on the same disk'],
  ENOMEM: ['the system has no memory for it', 'close programs, or use a machine with more memory'],
  EINVAL: ['the file system does not take it', 'choose another name or another place'],
  ENOTSUP: ['the file system cannot do that', 'choose a folder on another file system'],
  EOPNOTSUPP: ['the file system cannot do that', 'choose a folder on another file system'],
  ERR_INVALID_ARG_VALUE: ['no path has a zero byte in it', 'check the path'],
  ERR_FS_FILE_TOO_LARGE: ['the file is too large to be read as a whole', 'name a smaller file'],
  ERR_STRING_TOO_LONG: ['the file is too long for one text', 'name a smaller file'],
};
