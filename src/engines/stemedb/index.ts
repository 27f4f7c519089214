/** The library's door: open a store inside a process of your own. */
export type { RateLimit } from './admission.ts';
export type { PauseRequest } from './background.ts';
export { type StemeConfig, stemeConfigSchema } from './config.ts';
export type { DrainReport } from './drain.ts';
export { type RunningStemeDb, stemedb } from './engine.ts';
export { StemeError, type StemeErrorCode } from './errors.ts';
export type { AssertionInput, EpochInput, Query, Signature, VoteInput } from './model.ts';
export type { QueryResult } from './query.ts';
export type { BatchResult, StemeDb, StoredRecord } from './stemeNode.ts';
export { openStemeDb } from './store.ts';
export type { Ack } from './write.ts';
