import type { World } from '../sim/world.ts';
import type { TimelineEntry } from './runRecord.ts';

/** What a run needs beside its scenario. Nothing here but `mutants` changes what happens in virtual time. */
export interface RunOptions {
  /** Default the scenario's. */
  readonly seed?: number;
  /** Bugs to plant, by name. */
  readonly mutants?: readonly string[];
  /** Keep the whole trace, for the comparison of two runs. */
  readonly record?: boolean;
  /** Keep the history, messages, spans, logs and states for the report. Default false: chaos needs none of them. */
  readonly observe?: boolean;
  /** Beyond this number of events the run is undecided. Default 50 million. */
  readonly eventsMax?: number;
  /** Each line of the timeline, as it happens. */
  readonly onEntry?: (entry: TimelineEntry) => void;
  /** Virtual time so far, and the expected whole, after each scrape. */
  readonly onProgress?: (nowMs: number, totalMs: number) => void;
  /** Reads real milliseconds, for `realMs`; default: it stays 0. */
  readonly realNow?: () => number;
  /** Commit of the sources, Node's version and the command to repeat the run: only the record shows them. */
  readonly commit?: string;
  readonly nodeVersion?: string;
  readonly command?: string;
  /** Given the world before anything runs in it: for comparisons of traces. */
  readonly onWorld?: (world: World) => void;
}
