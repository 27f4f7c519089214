import { DiskError } from '../../host/disk.ts';
import { OperatorError, type ShellVerb } from './stand.ts';

/** A verb of which the terminal shows what the kernel refuses. */
export function showingRefusals(verb: ShellVerb): ShellVerb {
  return async (args, context) => {
    try {
      return await verb(args, context);
    } catch (error) {
      if (error instanceof DiskError) throw new OperatorError(error.message);
      throw error;
    }
  };
}
