import { type Context, messageOf } from './context.ts';
import { isStranger } from './survey.ts';

/** Polls, a second apart, between two looks. */
const pollsBetween = 30;
/** Names that are remembered; whoever puts more files there has been warned. */
const namesMax = 1_000;

/** Warns of files in the journal's directory that are not its own: once of each name. They are never touched. */
export class Strangers {
  readonly #context: Context;
  readonly #told = new Set<string>();
  #polls = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Called each second; looks now and then. */
  poll(): void {
    this.#polls += 1;
    if (this.#polls % pollsBetween === 0) void this.#look();
  }

  /** Warns of those that were not named before. */
  tell(names: readonly string[]): void {
    const fresh = names.filter((name) => !this.#told.has(name)).slice(0, namesMax - this.#told.size);
    if (fresh.length === 0) return;
    for (const name of fresh) this.#told.add(name);
    this.#context.logger.warn('foreign files in the journal', { names: fresh });
  }

  async #look(): Promise<void> {
    const { host, settings, logger } = this.#context;
    try {
      const entries = await host.disk.list(settings.directory);
      this.tell(entries.map(({ name }) => name).filter(isStranger));
    } catch (error) {
      logger.warn('directory of the journal cannot be listed', { error: messageOf(error) });
    }
  }
}
