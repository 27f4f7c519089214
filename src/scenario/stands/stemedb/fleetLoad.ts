import type { LoadControl } from '../../../faults/load.ts';
import type { LoadContext, Workload } from '../stand.ts';
import type { StemeLoad } from './loadSchema.ts';
import { type Numbers, startWorkload } from './workload.ts';

/**
 * The same load for every node, each from clients of its own, who speak to no other node. The numbers of a load are those
 * of one node; the client machines are everybody's. `requestTimeoutMs` is that of a node's server.
 */
export function startFleetLoad(
  context: LoadContext,
  initial: StemeLoad,
  requestTimeoutMs: (node: string) => number,
): Workload & LoadControl {
  const numbers: Numbers = { next: 0 };
  const loads = context.nodes.map((node, index) =>
    startWorkload(context, initial, {
      node,
      // Whatever is added to a fleet, the first node's clients draw what they drew alone.
      prefix: index === 0 ? '' : `${node} `,
      numbers,
      requestTimeoutMs: () => requestTimeoutMs(node),
    }),
  );
  return {
    change(next) {
      for (const load of loads) load.change(next);
    },
    scale(factor) {
      const undo = loads.map((load) => load.scale(factor));
      return () => {
        for (const each of undo) each();
      };
    },
    async stop() {
      await Promise.all(loads.map((load) => load.stop()));
    },
  };
}
