/** Checkpoints: named global tensors in safetensors files beside a manifest, written atomically, read in parts. */
export type { Disk, PathKind, ReadableFile, WritableFile } from './disk.js';
export { nodeDisk } from './disk.js';
export { FiniteScan } from './finite.js';
export type { CheckpointState, Manifest, TensorKind } from './manifest.js';
export { canonicalJson } from './manifest.js';
export type { FoundCheckpoint } from './names.js';
export { latestName, listCheckpoints, partialSuffix, readLatest } from './names.js';
export type { LoadOptions } from './load.js';
export { Checkpoint, expectTensors, openCheckpoint, openLatest, openStep, readManifest } from './load.js';
export type { SavedCheckpoint, SaveOptions } from './save.js';
export { saveCheckpoint } from './save.js';
export type { StoredTensor, WrittenFile } from './safetensors.js';
export { openSafetensors, SafetensorsFile, safetensorsBytes, writeSafetensors } from './safetensors.js';
export type { StoredDType, TensorInfo, TensorSource } from './tensor.js';
export { memorySource, tensorBytes } from './tensor.js';
export type { Box } from './box.js';
export { readBox } from './box.js';
