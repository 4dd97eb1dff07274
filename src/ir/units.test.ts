import { expect, test } from 'vitest';
import { bytesText, countText, durationText, lossText, percentText, secondsText } from './units.js';

test.each([
  [bytesText(0), '0 B'],
  [bytesText(999), '999 B'],
  [bytesText(999.6), '1.00 kB'],
  [bytesText(405_000_192), '405 MB'],
  [bytesText(1.4e9), '1.40 GB'],
  [countText(36_240), '36.2 k'],
  [countText(12), '12'],
  [countText(1.75e11), '175 B'],
  [durationText(65.4), '1:05'],
  [durationText(59.7), '1:00'],
  [durationText(7384), '2:03:04'],
  [durationText(-3), '0:00'],
  [secondsText(0.0000042), '4.2 µs'],
  [secondsText(0.0042), '4.2 ms'],
  [secondsText(0.34), '340 ms'],
  [secondsText(12.44), '12.4 s'],
  [percentText(0.41), '41%'],
  [percentText(0.052), '5.2%'],
  [lossText(NaN), 'nan'],
])('%s', (text, expected) => expect(text).toBe(expected));
