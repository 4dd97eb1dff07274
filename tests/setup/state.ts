/** What a user's runs leave outside their folders goes into a folder of each test file, and not into that of who tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const state = mkdtempSync(join(tmpdir(), 'flotilla-state-'));
process.env.XDG_STATE_HOME = state;
afterAll(() => rmSync(state, { recursive: true, force: true }));
