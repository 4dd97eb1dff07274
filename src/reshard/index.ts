export {
  Crossing,
  crossMeshPlan,
  runTransfers,
  tileTransfers,
  type CrossMeshPlan,
  type TileTransfer,
} from './cross_mesh.js';
export {
  collect,
  packed,
  printElement,
  reduceBlocks,
  runMove,
  runPath,
  shard,
  shardPieces,
  unshard,
  type Blocks,
  type Round,
} from './execute.js';
export { fills, lowerMove, unlikeRanks, type LoweredCollective, type LoweredMove } from './lower.js';
export { communicationOf, isLocal, movesFrom, printMove, type Move, type MoveKind } from './moves.js';
export { moveFault } from './move_fault.js';
export { copyRegions, isRun, regionElements, type CopyRegion, type Side, type Tile } from './region.js';
export { ReshardSearch, reshardPath, type ReshardPath } from './search.js';
