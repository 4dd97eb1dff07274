/** A run's paths mean the same from every working directory. */
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { globBase, isGlob } from '../data/glob.js';
import { defaultCache } from '../data/options.js';
import type { TrainConfig } from './schema.js';

/** A configuration as a run keeps it: its paths are absolute, and the place of the cache is one of them. */
export type AbsoluteConfig = TrainConfig & { readonly data: { readonly cache: string } };

/** The configuration with every path absolute, those that are not resolved against `root`. */
export function absolutePaths(config: TrainConfig, root: string): AbsoluteConfig {
  const from = (path: string | null) => (path === null ? null : resolve(root, path));
  const { model, data, plan, checkpoint, logging } = config;
  return {
    ...config,
    model: model.family === 'custom' ? { ...model, module: from(model.module) } : model,
    data: {
      ...data,
      paths: data.paths?.map((pattern) => absolutePattern(pattern, root)) ?? null,
      tokenizer: { ...data.tokenizer, file: from(data.tokenizer.file) },
      cache: resolve(root, data.cache ?? defaultCache),
    },
    plan: typeof plan === 'string' && plan !== 'auto' ? resolve(root, plan) : plan,
    checkpoint: {
      ...checkpoint,
      directory: from(checkpoint.directory),
      initial_load_path: from(checkpoint.initial_load_path),
    },
    logging: { ...logging, directory: resolve(root, logging.directory) },
  };
}

/** A file, folder or glob. What stands before a glob's first wildcard is a folder, whatever letters it has. */
function absolutePattern(pattern: string, root: string): string {
  if (isAbsolute(pattern)) return pattern;
  const literal = resolve(root, pattern);
  if (!isGlob(pattern) || existsSync(literal)) return literal;
  const base = globBase(pattern);
  const folder = resolve(root, base).replace(/[*?[{]/g, '[$&]');
  return `${folder.replace(/\/$/, '')}/${pattern.slice(base.length).replace(/^\//, '')}`;
}
