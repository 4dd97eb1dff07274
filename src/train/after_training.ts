/** What comes after the last step, when the run is saved: a failure there says so. */
import { systemProblem } from '../ir/system_error.js';
import { failedAfterSave } from './diagnostics.js';

/** Throws `train/failed-after-save` in place of what `work` throws. `folder`: of the run. */
export async function afterTraining<T>(part: string, folder: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failedAfterSave({ part, problem: systemProblem(error).problem, folder }, { cause: error });
  }
}
