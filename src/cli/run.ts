import { exitOf } from './exit.ts';
import { surviveLostOutput } from './output.ts';
import { createProgram } from './program.ts';

/**
 * Runs a command line as the process got it (`node`, the script, its words). Ends by setting the exit code; the process goes
 * on as long as something in it does.
 */
export async function run(argumentList: readonly string[]): Promise<void> {
  surviveLostOutput(process);
  try {
    const program = await createProgram(argumentList[2]);
    await program.parseAsync(argumentList);
  } catch (error) {
    const { code, text } = exitOf(error);
    if (text !== undefined) process.stderr.write(`${text}\n`);
    process.exitCode = code;
  }
}
