import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Console } from '../../engines/streambus/admin/commands/command.ts';
import { UsageError } from '../exit.ts';

/** How the processes of brokers are restarted: by ssh and systemd, unless the inventory says otherwise. */
const inventorySchema = z.strictObject({
  brokers: z
    .array(
      z.strictObject({
        id: z.int().min(1),
        /** What ssh is given: `user@host`. */
        ssh: z.string().optional(),
        /** Run in a shell here, in place of ssh. */
        restart: z.string().optional(),
      }),
    )
    .default([]),
  /** What is run there. */
  restart: z.string().default('sudo systemctl restart streambus-broker'),
});

type Inventory = z.infer<typeof inventorySchema>;

/** Where the commands speak when a person, or a script, has called them. */
export function createConsole(options: { readonly yes: boolean; readonly inventory: string | undefined }): Console {
  return {
    line: (text) => process.stdout.write(`${text}\n`),
    now: () => performance.now(),
    sleep: (ms) => sleep(ms),
    async confirm(question) {
      if (options.yes) return true;
      if (process.stdin.isTTY !== true) {
        throw new UsageError(`${question} Nobody is there to be asked: say --yes if you mean it`);
      }
      const prompt = createInterface({ input: process.stdin, output: process.stdout });
      try {
        return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
      } finally {
        prompt.close();
      }
    },
    async read(file) {
      if (file === undefined && process.stdin.isTTY === true) {
        throw new UsageError('the password would be seen: expected it from a pipe, or --password-file');
      }
      if (file === undefined) return await text(process.stdin);
      try {
        return readFileSync(file, 'utf8');
      } catch (error) {
        throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    async restart(broker, host) {
      const inventory = readInventory(options.inventory);
      const known = inventory.brokers.find(({ id }) => id === broker);
      if (known?.restart !== undefined) await run('sh', ['-c', known.restart]);
      else await run('ssh', ['-o', 'BatchMode=yes', known?.ssh ?? host, inventory.restart]);
    },
  };
}

function readInventory(file: string | undefined): Inventory {
  if (file === undefined) return inventorySchema.parse({});
  try {
    return inventorySchema.parse(parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const reason =
      error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error);
    throw new UsageError(`--inventory ${file}: ${reason}`);
  }
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint = `${complaint}${bytes.toString()}`.slice(-2_000);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new UsageError(`${command} ${args.join(' ')} ended with ${code ?? signal}: ${complaint.trim()}`));
    });
  });
}
