/** A bug that can be planted in the engine, to prove that a check sees it. */
export interface StreamBusMutant {
  readonly name: string;
  readonly breaks: string;
}

/** The bugs that can be planted. Each must be seen by a check. */
export const streamBusMutants: readonly StreamBusMutant[] = [
  { name: 'wiped-keeps-identity', breaks: 'a broker whose journal is gone votes as the one that it was' },
  { name: 'rollback-accepted', breaks: 'a broker on an older copy of its disk votes again' },
];
