import {
  type AdminClient,
  type AdminCommand,
  type CommandInput,
  type Console,
  Exit,
  NoAnswer,
  Refused,
} from './command.ts';

/** A console that takes what a command has to say in both forms, and passes on the one that was asked for. */
export interface ReportConsole extends Console {
  /** What was found, for a script: one line of JSON with --json, nothing without. */
  data(value: unknown): void;
}

/** A command whose findings a script can read. */
export interface ReportingCommand extends Omit<AdminCommand, 'run'> {
  readonly run: (client: AdminClient, console: ReportConsole, input: CommandInput) => Promise<number>;
}

/**
 * Gives a command `--json`: then its lines for people are left out, and each value that it finds is one line of JSON; with --watch one
 * a round. What fails is `{"error": {"code", "message"}}`. Exit codes are the same in both forms.
 */
export function withJson(command: ReportingCommand): AdminCommand {
  return {
    ...command,
    options: [...command.options, { name: 'json', help: 'what was found as JSON, one value a line' }],
    async run(client, console, input) {
      if (input.options.json !== true) return await command.run(client, forPeople(console), input);
      const scripted = forScripts(console);
      try {
        return await command.run(client, scripted, input);
      } catch (error) {
        if (!(error instanceof Refused) && !(error instanceof NoAnswer)) throw error;
        scripted.data({ error: errorData(error) });
        return error instanceof Refused ? Exit.bad : Exit.undecided;
      }
    },
  };
}

/** A failure as JSON. */
export function errorData(error: Refused | NoAnswer): { readonly code: string; readonly message: string } {
  return { code: error instanceof Refused ? error.code : 'NO_ANSWER', message: error.message };
}

function forPeople(console: Console): ReportConsole {
  return { ...unchanged(console), line: (text) => console.line(text), data: () => undefined };
}

function forScripts(console: Console): ReportConsole {
  return { ...unchanged(console), line: () => undefined, data: (value) => console.line(JSON.stringify(value)) };
}

function unchanged(console: Console): Omit<Console, 'line'> {
  return {
    now: () => console.now(),
    sleep: (ms) => console.sleep(ms),
    confirm: (question) => console.confirm(question),
    read: (file) => console.read(file),
    restart: (broker, host) => console.restart(broker, host),
  };
}
