import { hex } from '../describe.ts';
import type { LogEnd, RaftEvent } from '../events.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** An event in words, and how much it matters. */
export interface LogLine {
  readonly level: LogLevel;
  readonly text: string;
}

export const debug = (text: string): LogLine => ({ level: 'debug', text });
export const info = (text: string): LogLine => ({ level: 'info', text });
export const warn = (text: string): LogLine => ({ level: 'warn', text });
export const error = (text: string): LogLine => ({ level: 'error', text });

type WithKind<Event extends RaftEvent, Kind> = Event extends unknown
  ? Kind extends Event['kind']
    ? Event
    : never
  : never;

/** For each of these kinds of events, its words. */
export type Words<Kinds extends RaftEvent['kind']> = {
  readonly [Kind in Kinds]: (event: WithKind<RaftEvent, Kind>) => LogLine;
};

/** `1 [term: 2]`. */
export function inTerm({ id, term }: { readonly id: number; readonly term: number }): string {
  return `${hex(id)} [term: ${term}]`;
}

/** `1 [term 2]`: the words of a transfer have no colon. */
export function ofTerm({ id, term }: { readonly id: number; readonly term: number }): string {
  return `${hex(id)} [term ${term}]`;
}

/** `[logterm: 1, index: 2`, still open. */
export function logEnd({ index, term }: LogEnd): string {
  return `[logterm: ${term}, index: ${index}`;
}

/** `snapshot [index: 1, term: 2]`. */
export function ofSnapshot({ index, term }: LogEnd): string {
  return `snapshot [index: ${index}, term: ${term}]`;
}
