/** `gpu.log`: what every stage said, as it said it. A log that grows too long loses its middle. */
import { appendFileSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

export class RunLog {
  private readonly file: string;
  private readonly mostBytes: number;
  private bytes: number;

  /** Appends to the file where it exists. Above `mostBytes` its first and last thirds are kept. */
  constructor(file: string, mostBytes = 12e6) {
    this.file = file;
    this.mostBytes = mostBytes;
    this.bytes = existsSync(file) ? statSync(file).size : 0;
  }

  line(text: string): void {
    const line = Buffer.from(`${text}\n`);
    appendFileSync(this.file, line);
    this.bytes += line.length;
    if (this.bytes > this.mostBytes) this.dropMiddle();
  }

  private dropMiddle(): void {
    const all = readFileSync(this.file);
    const kept = Math.floor(this.mostBytes / 3);
    const note = Buffer.from(`\n… ${all.length - 2 * kept} bytes left out …\n`);
    const short = Buffer.concat([all.subarray(0, kept), note, all.subarray(all.length - kept)]);
    writeFileSync(`${this.file}.next`, short);
    renameSync(`${this.file}.next`, this.file);
    this.bytes = short.length;
  }
}
