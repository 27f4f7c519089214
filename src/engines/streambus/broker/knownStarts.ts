import { z } from 'zod';
import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { replaceFile } from '../../../storage/atomicFile.ts';
import { readText } from '../identity.ts';
import type { BrokerId, Incarnation } from '../ids.ts';

/** What is known of a broker's starts, by what the last one is recognized. */
export interface KnownStart {
  /** Empty where it was never told. */
  readonly storage: string;
  readonly incarnation: Incarnation;
  /** The highest that was heard of, whether it was let in or not. */
  readonly startCount: number;
  /** The last start that its peers had let in: what it promised it promised up to this one. */
  readonly servedStart: number;
  /** Of the highest start; empty where it was never told. */
  readonly session: string;
}

/** Where the starts of the other brokers are noted: outside `raft-state/`, which goes with this broker's own incarnation. */
export const knownStartsFile = (dataDirectory: string): string => `${dataDirectory}/known-starts.json`;

const format = 1;

const startSchema = z.object({
  broker: z.int().min(1),
  storage: z.string(),
  incarnation: z.int().min(1),
  start_count: z.int().min(0),
  served_start: z.int().min(0),
  session: z.string(),
});

const fileSchema = z.object({ format: z.literal(format), starts: z.array(startSchema) });

/**
 * The starts of the other brokers that this one has heard of, on disk: a broker whose disk is set back counts starts that its peers have
 * seen already, and they know it also after the power went for all of them. The metadata tells the same, but later, and only where
 * there was a leader.
 */
export class KnownStarts {
  readonly #starts = new Map<BrokerId, KnownStart>();
  /** Counts what was heard; `#noted`: up to where it is durable. */
  #heard = 0;
  #noted = 0;
  #noting: Promise<void> | undefined;
  #place: { readonly host: Host; readonly path: string } | undefined;

  of(broker: BrokerId): KnownStart | undefined {
    return this.#starts.get(broker);
  }

  /** What was heard of a broker, in whatever order. Nothing that is known goes back but by a later incarnation. */
  heard(broker: BrokerId, start: KnownStart): void {
    const known = this.#starts.get(broker);
    const merged = known === undefined ? start : merge(known, start);
    if (merged === known) return;
    this.#starts.set(broker, merged);
    this.#heard++;
  }

  /**
   * Takes over what is noted in a data directory, where more is noted from now on. What cannot be read is as good as not there. Throws
   * `DiskError`.
   */
  async read(host: Host, dataDirectory: string): Promise<void> {
    const { disk, telemetry } = host;
    const path = knownStartsFile(dataDirectory);
    this.#place = { host, path };
    const text = await readText(disk, path);
    if (text === undefined) return;
    const parsed = fileSchema.safeParse(parseJson(text));
    if (!parsed.success) {
      telemetry.logger.warn('cannot read what is known of the other brokers: it is begun anew', { path });
      return;
    }
    for (const { broker, start_count: startCount, served_start: servedStart, ...rest } of parsed.data.starts) {
      this.heard(broker, { ...rest, startCount, servedStart });
    }
    this.#noted = this.#heard;
  }

  /** Notes durably what has been heard up to now. What the disk refuses is known for as long as the process lives. */
  async note(): Promise<void> {
    if (this.#place === undefined) return;
    const { host, path } = this.#place;
    const heard = this.#heard;
    try {
      // One at a time; what comes meanwhile goes with the next.
      while (this.#noted < heard) {
        this.#noting ??= this.#write(host, path);
        await this.#noting;
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      host.telemetry.logger.warn('cannot note the starts of the other brokers', { path, error: error.message });
    }
  }

  async #write({ disk }: Host, path: string): Promise<void> {
    const heard = this.#heard;
    const starts = [...this.#starts].map(([broker, { startCount, servedStart, ...rest }]) => ({
      broker,
      ...rest,
      start_count: startCount,
      served_start: servedStart,
    }));
    const text = `${JSON.stringify({ format, starts }, undefined, 2)}\n`;
    try {
      await replaceFile(disk, path, [new TextEncoder().encode(text)]);
      this.#noted = heard;
    } finally {
      this.#noting = undefined;
    }
  }
}

/** The later of two starts with all that both tell; `known` itself if there is nothing new. */
function merge(known: KnownStart, heard: KnownStart): KnownStart {
  if (heard.incarnation < known.incarnation) return known;
  if (heard.incarnation > known.incarnation) return heard;
  const isLater =
    heard.startCount > known.startCount ||
    (heard.startCount === known.startCount && known.session === '' && heard.session !== '');
  const servedStart = Math.max(known.servedStart, heard.servedStart);
  if (!isLater) return servedStart === known.servedStart ? known : { ...known, servedStart };
  return { ...heard, storage: heard.storage === '' ? known.storage : heard.storage, servedStart };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
