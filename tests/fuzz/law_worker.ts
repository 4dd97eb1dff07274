/** A part of a search, on a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { parseCase } from '../laws/case_text.js';
import { replayOf } from '../laws/check_law.js';
import { laws, type Case, type Law } from '../laws/laws.js';
import { search, story } from '../laws/search.js';

export interface LawJob {
  readonly law: keyof typeof laws;
  readonly seed: number;
  readonly runs: number;
  /** A case to try first, as text; null: those of the law. */
  readonly first: string | null;
}

export interface LawOutcome {
  /** The story of a failure; null where all held. */
  readonly failure: string | null;
  /** In which the law held. */
  readonly held: readonly Case[];
}

if (parentPort) {
  const { law: name, seed, runs, first } = workerData as LawJob;
  const law: Law = laws[name];
  const held: Case[] = [];
  const examples = first === null ? law.examples : [parseCase(first)];
  const found = search({ ...law, examples }, { seed, runs, held: (one) => held.push(one) });
  const outcome: LawOutcome = { failure: found && story(law.name, found, replayOf(law)), held };
  parentPort.postMessage(outcome);
}
