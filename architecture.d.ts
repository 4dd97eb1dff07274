export interface Folder {
  readonly name: string;
  readonly about: string;
  readonly node?: 'some' | 'all';
}
export const folders: readonly Folder[];
export const nodeParts: readonly string[];
export interface Pass {
  readonly name: string;
  readonly about: string;
  readonly file: string;
}
export const passes: readonly Pass[];
