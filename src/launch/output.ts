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
  write(text: string): unknown;
  readonly writableLength: number;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** A stream to which lines of a long run can be written, whether or not somebody reads them. */
export function lossyOutput(stream: Writable) {
  return {
    write(text: string): void {
      if (stream.writableLength > unreadBytes) return;
      try {
        stream.write(text);
      } catch {
        // Files are written at once: a full disk shows here.
      }
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
