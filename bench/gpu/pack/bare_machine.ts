/** Surroundings like those of a bare machine: no Node on PATH, an empty home, and no network where that can be had. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';

const ofNode = ['node', 'nodejs', 'npm', 'npx', 'corepack'];

/** PATH with the same programs but Node's: a folder that has those is replaced by one of links to the others, in `scratch`. */
export function pathWithoutNode(given: string, scratch: string): string {
  const folders = given
    .split(path.delimiter)
    .filter((folder) => folder && existsSync(folder) && statSync(folder).isDirectory());
  return folders
    .map((folder, index) => {
      const names = readdirSync(folder);
      if (!names.some((name) => ofNode.includes(name))) return folder;
      const links = path.join(scratch, `path.${index}`);
      mkdirSync(links, { recursive: true });
      for (const name of names)
        if (!ofNode.includes(name)) symlinkSync(path.join(folder, name), path.join(links, name));
      return links;
    })
    .join(path.delimiter);
}

/** Brings up the loopback device of a network of its own, which is all there is of it, and becomes what its arguments name. */
const loopbackAlone = `
import fcntl, os, socket, struct, sys
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    flags = struct.unpack("16xh", fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0))[:18])[0]
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** A command's first words that take the network away from what follows; none where this user may not. */
export function withoutNetwork(): readonly string[] {
  const prefix = ['unshare', '--map-root-user', '--net', 'python3', '-c', loopbackAlone];
  return spawnSync(prefix[0], [...prefix.slice(1), 'true']).status === 0 ? prefix : [];
}
