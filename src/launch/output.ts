/**
 * Standard output and error belong to whoever started this process: a pipe that `head` or `less` closes, a file on a disk that fills up, a
 * terminal that goes away. None of that touches a run, whose log lies in its folder.
 */

/** A stream as far as it is looked at here. */
export interface OutputStream {
  on(event: 'error', listener: (error: Error) => void): unknown;
}

const outlived = new WeakSet<OutputStream>();

/** From now on, errors of these streams are nobody's: what is written to them is lost, and nothing else. */
export function outliveOutput(streams: readonly OutputStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    if (outlived.has(stream)) continue;
    outlived.add(stream);
    stream.on('error', () => {});
  }
}

/** What a reader leaves unread is kept in memory up to here, in bytes; what comes then is dropped. */
const unreadBytes = 1 << 20;

interface Writable {
  write(text: string | Uint8Array, ...rest: readonly unknown[]): unknown;
  readonly writableLength: number;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** What else a terminal shows, and what ends. */
export interface OutputSurroundings {
  /** Streams of which some may go to the same terminal. */
  readonly streams: readonly Writable[];
  readonly process: {
    on(event: 'exit', listener: () => void): unknown;
    off(event: 'exit', listener: () => void): unknown;
  };
}

/**
 * A stream to which lines of a long run can be written, whether or not somebody reads them. Whoever shows something on a terminal that
 * stands there is asked aside for what other code writes to it: a signal's answer, a script's console.log.
 */
export function lossyOutput(
  stream: Writable,
  { streams, process: ours }: OutputSurroundings = { streams: [process.stdout, process.stderr], process },
) {
  /** Whether what is written now comes from here. */
  let isOwn = false;
  const owning = (work: () => void) => {
    const before = isOwn;
    isOwn = true;
    try {
      work();
    } finally {
      isOwn = before;
    }
  };
  return {
    write(text: string): void {
      if (stream.writableLength > unreadBytes) return;
      try {
        owning(() => stream.write(text));
      } catch {
        // Files are written at once: a full disk shows here.
      }
    },
    /** Gives `aside` what other code writes to a terminal, and how it is written, until the function it returns is called. */
    onOthers(aside: (text: string, write: () => void) => void): () => void {
      const giveBack = streams
        .filter(({ isTTY }) => isTTY === true)
        .map((one) => {
          let isWatched = true;
          const write = one.write;
          const watched: Writable['write'] = (text, ...rest) => {
            let result: unknown = true;
            const writeIt = () => void (result = write.call(one, text, ...rest));
            if (isOwn || !isWatched) writeIt();
            else owning(() => aside(typeof text === 'string' ? text : Buffer.from(text).toString(), writeIt));
            return result;
          };
          one.write = watched;
          return () => {
            isWatched = false;
            // Somebody else may have put something before it.
            if (one.write === watched) one.write = write;
          };
        });
      return () => giveBack.forEach((give) => give());
    },
    /** Calls `listener` when the process ends, until the function it returns is called. */
    onEnd(listener: () => void): () => void {
      ours.on('exit', listener);
      return () => void ours.off('exit', listener);
    },
    get isTTY(): boolean {
      return stream.isTTY === true;
    },
    get columns(): number | undefined {
      return stream.columns;
    },
    get rows(): number | undefined {
      return stream.rows;
    },
    /** Tells of every change of the terminal's size, until the function it returns is called. */
    onResize(listener: () => void): () => void {
      stream.on('resize', listener);
      return () => void stream.off('resize', listener);
    },
  };
}

/** Waits until a stream has been read, but not for a reader that takes more than a second: whoever sent a signal wants an end. */
export async function drained(stream: Pick<Writable, 'writableLength'>): Promise<void> {
  for (let look = 0; look < 20 && stream.writableLength > 0; look++)
    await new Promise((resolve) => setTimeout(resolve, 50));
}
