/** What a stage has told so far: records, and the last of its other lines. Neither grows without bound. */
import type { StageRecord, StageResult } from './results.js';

const mostRecordBytes = 64 << 10;
const mostBytes = 1 << 20;
const mostLines = 40;
const mostLineLength = 500;

export class Told {
  private readonly records: StageRecord[];
  private lines: readonly string[] = [];
  private dropped = 0;
  private bytes = 0;

  constructor(known: readonly StageRecord[]) {
    this.records = [...known];
  }

  /** Takes lines in; returns whether a record was among them. */
  hear(lines: readonly string[], stream: 'stdout' | 'stderr'): boolean {
    const records = stream === 'stdout' ? lines.map(parseRecord) : lines.map(() => null);
    records.forEach((record, i) => record && this.keep(record, lines[i].length));
    const others = lines.filter((_, i) => !records[i]).map((line) => line.slice(0, mostLineLength));
    this.lines = [...this.lines, ...others].slice(-mostLines);
    return records.some((record) => record !== null);
  }

  results(): Pick<StageResult, 'results' | 'dropped'> {
    return { results: [...this.records], dropped: this.dropped };
  }

  lastLines(): readonly string[] {
    return this.lines;
  }

  private keep(record: StageRecord, length: number): void {
    this.bytes += length;
    // What the table at the end shows is kept a while longer.
    const shown = typeof record.headline === 'string' || record.passed === false;
    if (length > mostRecordBytes || this.bytes > (shown ? 2 * mostBytes : mostBytes)) this.dropped++;
    else this.records.push(record);
  }
}

/** The record that a line is; null where it is something else. */
function parseRecord(line: string): StageRecord | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as StageRecord;
  } catch {
    return null;
  }
}
