/** What the door tells the broker's metrics: each is called synchronously and must not throw. Times in seconds. */
export interface DoorHooks {
  /** A request was answered: the time from its arrival to its answer without what was deliberately waited. */
  requestDone(api: string, seconds: number): void;
  /** An answer carries this error number; once for each partition, topic or resource that has one. */
  requestFailed(api: string, code: number): void;
  /** Records of a topic were acknowledged. */
  produced(topic: string, records: number, bytes: number): void;
  /** Bytes of records of a topic were sent to a consumer. */
  fetched(topic: string, bytes: number): void;
  /** A partition's part of a produce request: where its time went. */
  produceStages(journalSeconds: number, replicateSeconds: number): void;
  /** An answer carried a throttle time. */
  throttled(seconds: number): void;
  /** A connection was closed by the door for a reason that is the client's. */
  refused(reason: DoorRefusal): void;
}

/** Why the door closed a connection. */
export type DoorRefusal =
  | 'too-many-connections'
  | 'frame-too-small'
  | 'frame-too-large'
  | 'silent'
  | 'idle'
  | 'unknown-api'
  | 'bad-version'
  | 'bad-request'
  | 'not-authenticated'
  | 'session-expired'
  | 'not-reading'
  | 'stale-transaction';

/** For a broker, or a test, that counts nothing. */
export const silentHooks: DoorHooks = {
  requestDone() {},
  requestFailed() {},
  produced() {},
  fetched() {},
  produceStages() {},
  throttled() {},
  refused() {},
};
