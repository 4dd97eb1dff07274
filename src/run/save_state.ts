/**
 * A checkpoint of a running job: every rank's tiles become whole tensors on disk.
 *
 * Rank 0 reads what its own process holds from memory. What only others hold, they write into one file each, which rank 0 reads back
 * tile by tile while it writes the checkpoint. Nothing is gathered in memory but one tensor at a time.
 */
import { closeSync, constants, lstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointState } from '../checkpoint/index.js';
import { saveCheckpoint, type Disk, type SavedCheckpoint, type TensorSource } from '../checkpoint/index.js';
import type { LoadedProgram, ValuePlace } from '../engine/engine.js';
import { bytesOf, shapeOf } from '../ir/type.js';
import { dtypeBytes } from '../ir/dtype.js';
import { bytesFrom, isWhole, pasteBlock, tilesElements } from './blocks.js';
import { shardsLost } from './diagnostics.js';
import type { Peers } from './peers.js';
import type { StateBlock, StateTensor } from './state.js';
import { makeFolder } from '../data/make_folder.js';

export interface SaveRequest {
  readonly disk: Disk;
  readonly directory: string;
  readonly keep: number;
  readonly state: CheckpointState & { readonly run: string };
  readonly tensors: readonly StateTensor[];
  readonly program: LoadedProgram;
  /** Global ranks of this process. */
  readonly ranks: readonly number[];
  /** Lowest rank of each process of the job; the first leads. */
  readonly leaders: readonly number[];
  readonly peers: Peers;
  /** Which try of this job it is, counted by every process: a step may be saved again after a try that failed. */
  readonly attempt: number;
  readonly writtenBy: string;
}

export interface SaveOutcome {
  /** Whether all of it is saved, which every process is told. */
  readonly done: boolean;
  /** On rank 0, which throws where it is not done; null elsewhere. */
  readonly checkpoint: SavedCheckpoint | null;
}

/** Called by every process of a job between the same two steps; none goes on before rank 0 has written. */
export async function saveState(request: SaveRequest): Promise<SaveOutcome> {
  const { peers } = request;
  if (peers.rank !== 0) {
    await writeShards(request);
    return { done: (await peers.get(keyOf(request, 'all'))) === 'done', checkpoint: null };
  }
  try {
    const checkpoint = await saveAll(request);
    await peers.set(keyOf(request, 'all'), 'done');
    return { done: true, checkpoint };
  } catch (error) {
    await peers.set(keyOf(request, 'all'), 'failed').catch(() => {});
    throw error;
  }
}

async function saveAll(request: SaveRequest): Promise<SavedCheckpoint> {
  const { state } = request;
  const shards = new ShardFiles(request);
  try {
    await shards.await();
    const sources = (kind: StateTensor['kind']) =>
      request.tensors.filter((tensor) => tensor.kind === kind).map((tensor) => sourceOf(tensor, request, shards));
    return await saveCheckpoint(request.disk, request.directory, {
      state,
      model: sources('parameter'),
      optimizer: sources('optimizer'),
      keep: request.keep,
      writtenBy: request.writtenBy,
    });
  } finally {
    shards.remove();
  }
}

function sourceOf(tensor: StateTensor, request: SaveRequest, shards: ShardFiles): TensorSource {
  const { name, global, parts } = tensor;
  return {
    name,
    dtype: global.dtype,
    shape: shapeOf(global),
    async *read() {
      const read = async (part: StateBlock): Promise<Uint8Array> =>
        request.ranks.includes(part.rank)
          ? bytesFrom(await request.program.read(placeOf(part)))
          : shards.read(tensor, part);
      if (parts.length === 1 && isWhole(global, parts[0].tiles)) {
        yield await read(parts[0]);
        return;
      }
      const whole = new Uint8Array(bytesOf(global));
      for (const part of parts) pasteBlock(whole, global, part.tiles, await read(part));
      yield whole;
    },
  };
}

const folderOf = ({ directory, state }: SaveRequest): string => join(directory, `.shards.${state.run}`);

const fileOf = (request: SaveRequest, rank: number): string =>
  join(folderOf(request), `${request.state.step}.rank${rank}`);

const keyOf = ({ attempt }: SaveRequest, who: number | 'all'): string => `saves/${attempt}/${who}`;

const blockBytes = ({ global }: StateTensor, { tiles }: StateBlock): number =>
  tilesElements(tiles) * dtypeBytes[global.dtype];

const placeOf = ({ rank, value, elements }: StateBlock): ValuePlace => ({ rank, name: value, elements });

/** What a process must give to rank 0, in the order of its file. */
const givenBy = (request: SaveRequest, rank: number): readonly { tensor: StateTensor; part: StateBlock }[] =>
  request.tensors.flatMap((tensor) =>
    tensor.parts.filter((part) => part.rank === rank).map((part) => ({ tensor, part })),
  );

/** Writes the tiles that only this process holds, and says so; a failure is told to rank 0, whose save then fails. */
async function writeShards(request: SaveRequest): Promise<void> {
  const { peers, program } = request;
  const given = givenBy(request, peers.rank);
  if (given.length === 0) return;
  let outcome = 'done';
  try {
    makeFolder(folderOf(request));
    // A link that somebody has put there would lead the tiles elsewhere.
    if (!lstatSync(folderOf(request)).isDirectory()) throw new Error(`${folderOf(request)} is not a folder`);
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const file = openSync(fileOf(request, peers.rank), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o666);
    try {
      for (const { part } of given) {
        const bytes = bytesFrom(await program.read(placeOf(part)));
        for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    outcome = (error as Error).message;
  }
  await peers.set(keyOf(request, peers.rank), outcome);
}

/** The files of other processes, as rank 0 reads them. */
class ShardFiles {
  private readonly request: SaveRequest;
  private readonly offsets = new Map<StateBlock, number>();
  private readonly givers: readonly number[];

  constructor(request: SaveRequest) {
    this.request = request;
    this.givers = request.leaders.filter((rank) => rank !== 0 && givenBy(request, rank).length > 0);
    for (const rank of this.givers) {
      let offset = 0;
      for (const { tensor, part } of givenBy(request, rank)) {
        this.offsets.set(part, offset);
        offset += blockBytes(tensor, part);
      }
    }
  }

  async await(): Promise<void> {
    for (const rank of this.givers) {
      const outcome = await this.request.peers.get(keyOf(this.request, rank));
      if (outcome !== 'done') throw shardsLost({ rank, problem: outcome });
    }
  }

  read(tensor: StateTensor, part: StateBlock): Uint8Array {
    const bytes = new Uint8Array(blockBytes(tensor, part));
    const file = openSync(fileOf(this.request, part.rank), 'r');
    try {
      const read = readSync(file, bytes, 0, bytes.length, this.offsets.get(part)!);
      if (read < bytes.length) throw shardsLost({ rank: part.rank, problem: 'its file is too short' });
    } finally {
      closeSync(file);
    }
    return bytes;
  }

  remove(): void {
    if (this.givers.length > 0) rmSync(folderOf(this.request), { recursive: true, force: true });
  }
}
