/**
 * Which rank is this process? Read from the variables that launchers set: torchrun's (ours sets the same), Slurm's, Open MPI's.
 */
import { launchVariableBad, launchVariableMissing } from './diagnostics.js';

/** A process's place in the job. */
export interface RankEnvironment {
  readonly rank: number;
  readonly worldSize: number;
  /** Place among the ranks of this machine, which chooses the device. */
  readonly localRank: number;
  readonly localWorldSize: number;
  /** Where the store is. */
  readonly masterAddress: string;
  readonly masterPort: number;
  /** Whether this rank serves the store: rank 0, unless torchrun's agent already does. */
  readonly hostStore: boolean;
  /** The listening socket that our launcher passes on to rank 0 for it. */
  readonly storeFd: number | null;
  /** Tells this start of the job from an earlier one in the same store: torchrun's run id and restart count. */
  readonly generation: string;
  /** Where a failing rank leaves its error for the launcher. */
  readonly errorFile: string | null;
  readonly launcher: 'flotilla' | 'torchrun' | 'slurm' | 'mpi';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** torchrun's default port. */
const defaultPort = 29500;

/** The rank that the environment describes; null where no launcher has set one, so that this process may be the launcher. */
export function rankFromEnvironment(env: Environment = process.env): RankEnvironment | null {
  const place = fromTorchrun(env) ?? fromSlurm(env) ?? fromOpenMpi(env);
  if (!place) return null;
  requireBelow('RANK', place.rank, 'WORLD_SIZE', place.worldSize);
  requireBelow('LOCAL_RANK', place.localRank, 'LOCAL_WORLD_SIZE', place.localWorldSize);
  if (place.masterPort > 65535)
    throw launchVariableBad({ name: 'MASTER_PORT', value: String(place.masterPort), expected: 'a port up to 65535' });
  return {
    ...place,
    hostStore: place.rank === 0 && env.TORCHELASTIC_USE_AGENT_STORE !== 'True',
    storeFd: place.rank === 0 && env.FLOTILLA_STORE_FD ? integer(env, 'FLOTILLA_STORE_FD') : null,
    generation: `${env.TORCHELASTIC_RUN_ID ?? 'none'}/${env.TORCHELASTIC_RESTART_COUNT ?? '0'}`,
    errorFile: env.TORCHELASTIC_ERROR_FILE ?? null,
  };
}

/** The variables that our launcher sets for one rank of a job on this machine: those of torchrun. */
export function rankVariables(job: {
  readonly rank: number;
  readonly ranks: number;
  readonly port: number;
  readonly runId: string;
  readonly threads: number;
  readonly errorFile: string;
  /** Rank 0's copy of the socket that listens on `port`. */
  readonly storeFd: number;
}): Record<string, string> {
  const { rank, ranks } = job;
  return {
    RANK: String(rank),
    WORLD_SIZE: String(ranks),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(ranks),
    GROUP_RANK: '0',
    GROUP_WORLD_SIZE: '1',
    ROLE_RANK: String(rank),
    ROLE_WORLD_SIZE: String(ranks),
    ROLE_NAME: 'default',
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(job.port),
    TORCHELASTIC_RUN_ID: job.runId,
    TORCHELASTIC_RESTART_COUNT: '0',
    TORCHELASTIC_MAX_RESTARTS: '0',
    TORCHELASTIC_USE_AGENT_STORE: 'False',
    TORCHELASTIC_ERROR_FILE: job.errorFile,
    FLOTILLA_STORE_FD: rank === 0 ? String(job.storeFd) : '',
    OMP_NUM_THREADS: String(job.threads),
  };
}

type Place = Omit<RankEnvironment, 'hostStore' | 'storeFd' | 'generation' | 'errorFile'>;

function fromTorchrun(env: Environment): Place | null {
  if (env.RANK === undefined) return null;
  const worldSize = integer(env, 'WORLD_SIZE');
  return {
    rank: integer(env, 'RANK'),
    worldSize,
    localRank: integer(env, 'LOCAL_RANK', worldSize === 1 ? 0 : undefined),
    localWorldSize: integer(env, 'LOCAL_WORLD_SIZE', worldSize),
    masterAddress: required(env, 'MASTER_ADDR'),
    masterPort: integer(env, 'MASTER_PORT'),
    launcher: env.FLOTILLA_STORE_FD === undefined ? 'torchrun' : 'flotilla',
  };
}

function fromSlurm(env: Environment): Place | null {
  // A batch script is a step of one task; only srun's steps are ranks.
  const worldSize = integer(env, env.SLURM_STEP_NUM_TASKS === undefined ? 'SLURM_NTASKS' : 'SLURM_STEP_NUM_TASKS', 1);
  if (env.SLURM_PROCID === undefined || worldSize <= 1) return null;
  const nodes = integer(env, env.SLURM_STEP_NUM_NODES === undefined ? 'SLURM_NNODES' : 'SLURM_STEP_NUM_NODES', 1);
  const first = firstSlurmNode(env.SLURM_STEP_NODELIST ?? env.SLURM_JOB_NODELIST ?? '');
  const address = env.MASTER_ADDR ?? (nodes === 1 ? '127.0.0.1' : first);
  if (!address)
    throw launchVariableMissing({ name: 'MASTER_ADDR', because: 'SLURM_JOB_NODELIST does not name the first node' });
  return {
    rank: integer(env, 'SLURM_PROCID'),
    worldSize,
    localRank: integer(env, 'SLURM_LOCALID'),
    localWorldSize: tasksOnThisNode(env, worldSize, nodes),
    masterAddress: address,
    // The same for all tasks of a job, and unlike another job's on the same node.
    masterPort:
      env.MASTER_PORT === undefined ? 20_000 + (integer(env, 'SLURM_JOB_ID', 0) % 20_000) : integer(env, 'MASTER_PORT'),
    launcher: 'slurm',
  };
}

/** Slurm writes tasks per node run-length coded, `4(x3),2`, by SLURM_NODEID. */
function tasksOnThisNode(env: Environment, worldSize: number, nodes: number): number {
  const coded = env.SLURM_STEP_TASKS_PER_NODE ?? env.SLURM_TASKS_PER_NODE;
  if (!coded) return Math.ceil(worldSize / nodes);
  const counts = coded.split(',').flatMap((part) => {
    const [, tasks, times] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim()) ?? [];
    return Array.from({ length: Number(times ?? 1) }, () => Number(tasks));
  });
  return counts[integer(env, 'SLURM_NODEID', 0)] || Math.ceil(worldSize / nodes);
}

/** The first name of `node[03-07,9],other`. */
export function firstSlurmNode(list: string): string | null {
  const [, prefix, first, rest] = /^([^,[]+)(?:\[(\d+)[^\]]*\])?([^,]*)/.exec(list) ?? [];
  return prefix ? `${prefix}${first ?? ''}${rest ?? ''}` : null;
}

function fromOpenMpi(env: Environment): Place | null {
  if (env.OMPI_COMM_WORLD_RANK === undefined) return null;
  const worldSize = integer(env, 'OMPI_COMM_WORLD_SIZE');
  const localWorldSize = integer(env, 'OMPI_COMM_WORLD_LOCAL_SIZE', worldSize);
  const address = env.MASTER_ADDR ?? (localWorldSize === worldSize ? '127.0.0.1' : undefined);
  if (!address)
    throw launchVariableMissing({
      name: 'MASTER_ADDR',
      because: 'mpirun spans machines and does not say where rank 0 is',
    });
  return {
    rank: integer(env, 'OMPI_COMM_WORLD_RANK'),
    worldSize,
    localRank: integer(env, 'OMPI_COMM_WORLD_LOCAL_RANK'),
    localWorldSize,
    masterAddress: address,
    masterPort: integer(env, 'MASTER_PORT', defaultPort),
    launcher: 'mpi',
  };
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '')
    throw launchVariableMissing({ name, because: 'RANK is set, so this process is a rank of a job' });
  return value;
}

function integer(env: Environment, name: string, otherwise?: number): number {
  if (env[name] === undefined && otherwise !== undefined) return otherwise;
  const text = required(env, name);
  if (!/^\d+$/.test(text)) throw launchVariableBad({ name, value: text, expected: 'a number' });
  return Number(text);
}

function requireBelow(name: string, value: number, limit: string, size: number): void {
  if (value >= size)
    throw launchVariableBad({ name, value: String(value), expected: `less than ${limit}, which is ${size}` });
}
