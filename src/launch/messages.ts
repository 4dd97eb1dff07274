/** What a launcher tells its ranks, and rank 0 its launcher: each checked where it arrives. */
import { z } from 'zod';
import type { TrainEvent } from '../train/events.js';
import type { RankResult } from '../train/train_rank.js';
import { messageBad } from './diagnostics.js';

export const scriptCallSchema = z.strictObject({
  /** From 0 on. */
  number: z.int().nonnegative(),
  kind: z.enum(['train', 'resume', 'generate']),
  /** Identifies the model of its own that it was given; null: none. */
  model: z.string().nullable(),
});

/** One call of train(), resume() or generate() of a script. */
export type ScriptCall = z.infer<typeof scriptCallSchema>;

const launchedRun = z.strictObject({
  /** Of the run. */
  folder: z.string(),
  /** Token of the lock that the launcher holds on it. */
  lock: z.string(),
  /** Where config.json, plan.json and run.json are read from: the folder, or what a resume has staged in it. */
  state: z.string(),
  /** Folder of the checkpoint that the run goes on from; null: first values. */
  checkpoint: z.string().nullable(),
  /** Since 1970, in milliseconds. */
  launchedAt: z.number(),
  /** Floating-point operations a second; null where no peak was measured. */
  peakFlops: z.number().nullable(),
  /** The call that launched it. */
  call: scriptCallSchema,
  /** File of what the script's earlier calls gave, where it runs again in each rank; null: it does not. */
  endedCalls: z.string().nullable(),
  /** The module that constructs the run's own model, on the launcher's word, and what the launcher had of it; null: no module does. */
  module: z.strictObject({ file: z.string(), model: z.string() }).nullable(),
});

/** What a rank is told of the run that it is a rank of. */
export type LaunchedRun = z.infer<typeof launchedRun>;

/** The variable in which our launcher tells its ranks of their run. */
export const runVariable = 'FLOTILLA_RUN';

/** The run that our launcher started this process for; null where it is no rank of ours. Throws `launch/message-bad`. */
export function runOfEnvironment(env: Readonly<Record<string, string | undefined>>): LaunchedRun | null {
  const text = env[runVariable];
  return text === undefined ? null : parseRun(text, runVariable);
}

/** Reads what `JSON.stringify` made of a {@link LaunchedRun}. `from`: where it comes from, for messages. */
export const parseRun = (text: string, from: string): LaunchedRun => parse(launchedRun, text, from);

function parse<T>(schema: z.ZodType<T>, text: string, from: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw messageBad({ from, problem: (error as Error).message }, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw messageBad({ from, problem: `${path.join('.')}: ${message}` });
}

/** What a launcher tells a rank that is to end at once, having nothing to save: the job cannot go on. */
export const endMessage = { end: true } as const;

export const isEndMessage = (message: unknown): boolean =>
  z.strictObject({ end: z.literal(true) }).safeParse(message).success;

/** Its summary's fields are those of the same version of this program. */
const rankResult = z.strictObject({
  summary: z.looseObject({}),
  interrupted: z.boolean(),
  aborted: z.boolean(),
  complete: z.boolean(),
});

/** What rank 0 tells the others at the end. Throws `launch/message-bad`. */
export const parseRankResult = (text: string, from: string): RankResult =>
  parse(rankResult, text, from) as unknown as RankResult;

/** Every event has a kind and a time; its other fields are those of its kind in the same version of this program. */
const rankMessage = z.union([
  z.strictObject({ event: z.looseObject({ kind: z.string(), at: z.number() }) }),
  z.strictObject({ result: rankResult }),
]);

/** What rank 0 sends to its launcher. */
export type RankMessage = { readonly event: TrainEvent } | { readonly result: RankResult };

/** A message of a rank; null where it is none of ours: a user's script may send messages too. */
export function parseRankMessage(message: unknown): RankMessage | null {
  const parsed = rankMessage.safeParse(message);
  return parsed.success ? (parsed.data as unknown as RankMessage) : null;
}
