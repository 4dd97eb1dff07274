/** In which terms a step is told: what a program says of it, and what a run did. */
/** Of a collective's kind, or of messages, in a step of one rank. */
export interface Exchanged {
  readonly calls: number;
  /** Sent. */
  readonly bytes: number;
}

export const exchanges = ['all_reduce', 'all_gather', 'reduce_scatter', 'all_to_all', 'permute', 'send'] as const;
export type ExchangeKind = (typeof exchanges)[number];
export type ExchangedByKind = Readonly<Record<ExchangeKind, Exchanged>>;

/** To add to. */
export const noExchanges = (): Record<ExchangeKind, { calls: number; bytes: number }> =>
  Object.fromEntries(exchanges.map((kind) => [kind, { calls: 0, bytes: 0 }])) as ReturnType<typeof noExchanges>;

/** Shares of the devices' time in a step. */
export interface Shares {
  /** In which they compute. */
  readonly utilisation: number;
  /** In which they begin or wait for messages between groups, or have nothing more to do. */
  readonly bubble: number;
  /** In which they begin or wait for collectives. */
  readonly exposed: number;
}
