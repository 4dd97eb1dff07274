/** Types of devices, as the kernel table tells them apart: each has kernels of its own, with their workspaces and conditions. */

/** `cpu`: the kernels of native/kernels/. `cuda`: the library's, through native/kernels/library.cpp. */
export type DeviceType = 'cpu' | 'cuda';

/** The type of a device that is named as torch names it: `cpu`, `cuda:0`. The addon refuses to open any other. */
export const deviceTypeOf = (device: string): DeviceType => device.split(':')[0] as DeviceType;

/** One answer for each type of device. */
export type ByDevice<T> = Readonly<Record<DeviceType, T>>;

/** Workspace in bytes that our own kernel takes; those of the library on a GPU take none of the arena. */
export const scratchOnCpu = (bytes: number): ByDevice<number> => ({ cpu: bytes, cuda: 0 });

export const noScratch: ByDevice<number> = scratchOnCpu(0);
