/** Prints buckets as a page, what `--dump-ir=after:buckets` shows: of each its layouts, and which of its elements are whose. */
import { printLayout } from '../ir/layout.js';
import { elementsOf, printType } from '../ir/type.js';
import type { Bucket } from './buckets.js';

export const printBuckets = (buckets: readonly Bucket[]): string => buckets.map(printBucket).join('\n\n');

function printBucket({ name, group, type, whole, storage, accumulator, state, members }: Bucket): string {
  return [
    `${name} on group ${group} : ${printType(type)}`,
    `  parameters ${printLayout(storage, type)}, read as ${printLayout(whole, type)}, gradient ` +
      `${accumulator ? printLayout(accumulator, type) : 'as it comes'}, optimizer state ${printLayout(state, type)}`,
    ...members.map(
      (member) => `  ${elementsOf(member.type)} elements of ${member.name} ${printLayout(member.layout, member.type)}`,
    ),
  ].join('\n');
}
