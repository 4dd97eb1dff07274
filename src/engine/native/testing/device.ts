/** The device that tests of the native engine compute on, from the environment variable FLOTILLA_TEST_DEVICE. */
import { deviceTypeOf, type DeviceType } from '../../../kernels/device.js';

/** `cpu`, or a GPU as torch names it: `cuda:0`. Throws where the variable says something else. */
export function parseTestDevice(text: string | undefined): string {
  if (text === undefined || text === '' || text === 'cpu') return 'cpu';
  if (text === 'cuda') return 'cuda:0';
  if (/^cuda:\d+$/.test(text)) return text;
  throw new Error(
    `FLOTILLA_TEST_DEVICE is '${text}': it must be cpu (as where it is not set), cuda, or cuda:N for GPU N`,
  );
}

export const testDevice: string = parseTestDevice(process.env.FLOTILLA_TEST_DEVICE);
export const testDeviceType: DeviceType = deviceTypeOf(testDevice);

/** Where a rank of a test computes: on the CPU, or on a GPU of its own, counted from the device of the tests. */
export function deviceOfRank(rank: number, device: string = testDevice): string {
  const [type, first] = device.split(':');
  return type === 'cpu' ? type : `${type}:${Number(first) + rank}`;
}

/** Why so many ranks cannot have a GPU each; null where they can. One rank is always tried: its failure says what is missing. */
export function missingGpus(ranks: number, device: string, gpus: number): string | null {
  const [type, first] = device.split(':');
  if (type === 'cpu' || ranks === 1 || Number(first) + ranks <= gpus) return null;
  return `needs ${ranks} GPUs from ${device} on, and torch sees ${gpus}`;
}
