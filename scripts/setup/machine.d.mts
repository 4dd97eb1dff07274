export interface Finding {
  readonly what: string;
  /** `problem`: something does not work without it. `note`: worth knowing. */
  readonly status: 'ok' | 'problem' | 'note';
  readonly detail: string;
  /** What to do; null where nothing needs doing. */
  readonly fix: string | null;
}

/** What set-up needs, found or missing: changes nothing, waits for nothing. */
export function examineMachine(): Promise<Finding[]>;

/** Findings as lines of text. */
export function findingsText(findings: readonly Finding[]): string;
