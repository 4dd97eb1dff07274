export interface Folder {
  readonly name: string;
  readonly about: string;
  readonly node?: 'some' | 'all';
}
export const folders: readonly Folder[];
export const nodeParts: readonly string[];
export const passes: readonly { readonly name: string; readonly about: string }[];
