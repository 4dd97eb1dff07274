/** What a run came to: as text for a person and as JSON for a machine. */
import type { RunSummary } from '../train/events.js';
import { snakeCase } from '../options/names.js';
import { bytesText, countText, durationText, lossText, percentText, secondsText } from '../ir/units.js';

/** The summary that ends a run. Lines whose numbers were not measured are left out. */
export function summaryText(summary: RunSummary): string {
  const rows: (readonly [string, string | null])[] = [
    ['model', `${countText(summary.parameters)} parameters, ${summary.precision}`],
    ['ranks', `${summary.ranks}, ${summary.engine} on ${summary.device}; ${summary.plan}`],
    ['trained', trainedText(summary)],
    ['set-up', secondsText(summary.setupSeconds)],
    ['speed', speedText(summary)],
    ['memory', memoryText(summary)],
    ['loss', lossesText(summary)],
    ['compare', compareText(summary)],
    ['folder', summary.folder],
  ];
  const lines = rows.filter(([, text]) => text !== null).map(([name, text]) => `  ${name.padEnd(9)}${text}`);
  return [`summary of ${summary.name}`, ...lines].join('\n');
}

/** The summary as a JSON object: every field, its name in snake case. */
export function summaryJson(summary: RunSummary): Readonly<Record<string, string | number | null>> {
  return Object.fromEntries(Object.entries(summary).map(([name, value]) => [snakeCase(name), value]));
}

function trainedText({ steps, tokens, trainSeconds, skippedUpdates }: RunSummary): string {
  const skipped = skippedUpdates === 0 ? '' : `; ${skippedUpdates} updates left out, their gradients not finite`;
  return `${steps} steps, ${countText(tokens)} tokens, ${durationText(trainSeconds)}${skipped}`;
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

function lossesText({ trainingLoss, validationLoss, bitsPerByte }: RunSummary): string | null {
  const parts: string[] = [];
  if (trainingLoss !== null) parts.push(`training ${lossText(trainingLoss)}`);
  if (validationLoss !== null) parts.push(`validation ${lossText(validationLoss)} nats/token`);
  if (bitsPerByte !== null) parts.push(`${bitsPerByte.toFixed(3)} bits/byte`);
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
  return parts.length > 0 ? `${parts.join(', ')}, on the same validation tokens` : null;
}
