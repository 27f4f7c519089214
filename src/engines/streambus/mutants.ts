/** A bug that can be planted in the engine, to prove that a check sees it. */
export interface StreamBusMutant {
  readonly name: string;
  readonly breaks: string;
}

/** The bugs that can be planted. Each must be seen by a check. */
export const streamBusMutants: readonly StreamBusMutant[] = [
  { name: 'wiped-keeps-identity', breaks: 'a broker whose journal is gone votes as the one that it was' },
  { name: 'rollback-accepted', breaks: 'a broker on an older copy of its disk votes again' },
  { name: 'fetch-error-empty', breaks: 'a fetch that failed is answered as if there were nothing' },
  { name: 'no-verify', breaks: 'a late batch of a transaction that has ended begins the next one' },
];
