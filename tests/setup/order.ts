/** The order of test files: those that start processes and train take longest, and two at the end would leave a core idle. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => folders.findIndex((folder) => moduleId.includes(folder));
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

const folders = ['/tests/training/', '/tests/native/', '/tests/laws/', '/tests/', ''];
