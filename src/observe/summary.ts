/** What a run came to: as text for a person and as JSON for a machine. */
import type { RunSummary } from '../train/events.js';
import { snakeCase } from '../options/names.js';
import { bytesText, counted, countText, durationText, lossText, percentText, secondsText } from '../ir/units.js';

/** The summary that ends a run. Lines whose numbers were not measured are left out. */
export function summaryText(summary: RunSummary): string {
  const rows: (readonly [string, string | null])[] = [
    ['model', `${countText(summary.parameters)} parameters, ${summary.precision}`],
    ['ranks', ranksText(summary)],
    ['trained', trainedText(summary)],
    ['set-up', secondsText(summary.setupSeconds)],
    ['speed', speedText(summary)],
    ['memory', memoryText(summary)],
    ['loss', lossesText(summary)],
    ['compare', compareText(summary)],
    ['picture', summary.picture],
    ['folder', summary.folder],
  ];
  const lines = rows.filter(([, text]) => text !== null).map(([name, text]) => `  ${name.padEnd(9)}${text}`);
  return [`summary of ${summary.name}`, ...lines].join('\n');
}

/** The summary as a JSON object: every field, its name in snake case. */
export function summaryJson(summary: RunSummary): Readonly<Record<string, string | number | boolean | null>> {
  return Object.fromEntries(Object.entries(summary).map(([name, value]) => [snakeCase(name), value]));
}

/** Of one rank, how its work is split says nothing. */
const ranksText = ({ ranks, engine, device, plan }: RunSummary): string =>
  `${ranks}, ${engine} on ${device}${ranks === 1 ? '' : `; ${plan}`}`;

function trainedText({ steps, tokens, trainSeconds, skippedUpdates }: RunSummary): string {
  const skipped = skippedUpdates === 0 ? '' : `; ${counted(skippedUpdates, 'update')} left out, gradients not finite`;
  return `${counted(steps, 'step')}, ${countText(tokens)} tokens, ${durationText(trainSeconds)}${skipped}`;
}

function speedText({ tokensPerSecond, stepSeconds, peakShare }: RunSummary): string | null {
  if (tokensPerSecond === null) return null;
  const parts = [`${countText(tokensPerSecond)} tokens/s`];
  if (stepSeconds !== null) parts.push(`${secondsText(stepSeconds)} a step`);
  if (peakShare !== null) parts.push(`${percentText(peakShare)} of this machine's matmul peak`);
  return parts.join(', ');
}

function memoryText({ peakBytesPredicted, peakBytesMeasured }: RunSummary): string | null {
  if (peakBytesPredicted === null && peakBytesMeasured === null) return null;
  const parts: string[] = [];
  if (peakBytesPredicted !== null) parts.push(`${bytesText(peakBytesPredicted)} a rank predicted`);
  if (peakBytesMeasured !== null) parts.push(`${bytesText(peakBytesMeasured)} measured`);
  return parts.join(', ');
}

function lossesText({
  trainingLoss,
  validationLoss,
  validationStep,
  steps,
  bitsPerByte,
  keepsText,
}: RunSummary): string | null {
  // A run that was stopped has not measured it at its end.
  const measuredAt = validationStep === null || validationStep === steps ? '' : ` at step ${validationStep}`;
  const parts: string[] = [];
  if (trainingLoss !== null) parts.push(`training ${lossText(trainingLoss)}`);
  if (validationLoss !== null) parts.push(`validation ${lossText(validationLoss)} nats/token${measuredAt}`);
  if (bitsPerByte !== null)
    parts.push(`${bitsPerByte.toFixed(3)} bits/byte${keepsText ? '' : ' (of a tokenizer that loses text)'}`);
  return parts.length > 0 ? parts.join(', ') : null;
}

function compareText({ validationLoss, unigramLoss, bigramLoss }: RunSummary): string | null {
  const parts: string[] = [];
  if (unigramLoss !== null) parts.push(`unigram ${lossText(unigramLoss)}`);
  if (bigramLoss !== null) {
    const verdict =
      validationLoss === null ? '' : validationLoss < bigramLoss ? ' (the model is below)' : ' (not yet below)';
    parts.push(`bigram ${lossText(bigramLoss)}${verdict}`);
  }
  return parts.length > 0 ? `${parts.join(', ')}, same tokens` : null;
}
