import { expect, test } from 'vitest';
import { threadsPerRank } from '../train/threads.js';
import { firstSlurmNode, rankFromEnvironment, rankVariables } from './environment.js';

const torchrun = {
  RANK: '3',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '2',
  MASTER_ADDR: 'node7',
  MASTER_PORT: '29400',
  TORCHELASTIC_RUN_ID: 'job',
  TORCHELASTIC_RESTART_COUNT: '2',
  TORCHELASTIC_ERROR_FILE: '/tmp/error.json',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
};

test('without a launcher there is no rank', () => {
  expect(rankFromEnvironment({})).toBeNull();
  expect(rankFromEnvironment({ SLURM_PROCID: '0', SLURM_NTASKS: '1' })).toBeNull();
});

test('torchrun’s variables give the place', () => {
  expect(rankFromEnvironment(torchrun)).toEqual({
    rank: 3,
    worldSize: 8,
    localRank: 1,
    localWorldSize: 2,
    masterAddress: 'node7',
    masterPort: 29400,
    hostStore: false,
    storeFd: null,
    generation: 'job/2',
    errorFile: '/tmp/error.json',
    launcher: 'torchrun',
  });
  expect(rankFromEnvironment({ ...torchrun, RANK: '0' })?.hostStore).toBe(false);
  expect(rankFromEnvironment({ ...torchrun, RANK: '0', TORCHELASTIC_USE_AGENT_STORE: 'False' })?.hostStore).toBe(true);
});

test('what our launcher sets reads back', () => {
  const variables = rankVariables({
    rank: 1,
    ranks: 2,
    port: 4000,
    runId: 'x',
    threads: 1,
    errorFile: '/tmp/e',
    storeFd: 4,
  });
  expect(rankFromEnvironment(variables)).toEqual({
    rank: 1,
    worldSize: 2,
    localRank: 1,
    localWorldSize: 2,
    masterAddress: '127.0.0.1',
    masterPort: 4000,
    hostStore: false,
    storeFd: null,
    generation: 'x/0',
    errorFile: '/tmp/e',
    launcher: 'flotilla',
  });
});

test('Slurm and Open MPI give the place too', () => {
  const slurm = {
    SLURM_PROCID: '5',
    SLURM_NTASKS: '6',
    SLURM_LOCALID: '1',
    SLURM_NNODES: '2',
    SLURM_NODEID: '1',
    SLURM_TASKS_PER_NODE: '4,2',
    SLURM_JOB_NODELIST: 'gpu[03-07,9]',
    SLURM_JOB_ID: '12',
  };
  expect(rankFromEnvironment(slurm)).toMatchObject({
    rank: 5,
    worldSize: 6,
    localRank: 1,
    localWorldSize: 2,
    masterAddress: 'gpu03',
    masterPort: 20012,
    launcher: 'slurm',
  });
  const mpi = {
    OMPI_COMM_WORLD_RANK: '1',
    OMPI_COMM_WORLD_SIZE: '2',
    OMPI_COMM_WORLD_LOCAL_RANK: '1',
    OMPI_COMM_WORLD_LOCAL_SIZE: '2',
  };
  expect(rankFromEnvironment(mpi)).toMatchObject({
    rank: 1,
    worldSize: 2,
    masterAddress: '127.0.0.1',
    masterPort: 29500,
    launcher: 'mpi',
  });
});

test('the first name of a Slurm node list', () => {
  expect(['node1', 'node[03-07,9],other', 'a,b', 'rack[1-2]-gpu', ''].map(firstSlurmNode)).toEqual([
    'node1',
    'node03',
    'a',
    'rack1-gpu',
    null,
  ]);
});

test('variables that are missing or wrong are named', () => {
  expect(() => rankFromEnvironment({ ...torchrun, WORLD_SIZE: undefined })).toThrow(/did not set WORLD_SIZE/);
  expect(() => rankFromEnvironment({ ...torchrun, MASTER_PORT: 'many' })).toThrow(/MASTER_PORT is 'many'/);
  expect(() => rankFromEnvironment({ ...torchrun, RANK: '8' })).toThrow(
    /RANK is '8' and should be less than WORLD_SIZE, which is 8/,
  );
  const spanning = {
    OMPI_COMM_WORLD_RANK: '1',
    OMPI_COMM_WORLD_SIZE: '4',
    OMPI_COMM_WORLD_LOCAL_RANK: '1',
    OMPI_COMM_WORLD_LOCAL_SIZE: '2',
  };
  expect(() => rankFromEnvironment(spanning)).toThrow(/did not set MASTER_ADDR/);
});

test('threads are an equal share of the cores, unless OMP_NUM_THREADS says otherwise', () => {
  expect(threadsPerRank(1000, {})).toBe(1);
  expect(threadsPerRank(2, { OMP_NUM_THREADS: '3' })).toBe(3);
});
