import type { BusNode } from '../busNode.ts';
import type { Routed } from '../rolling.ts';
import type { Serving } from '../serving.ts';
import { unknown } from './answer.ts';

/** The segment that a path names. @throws Refusal 404, BusError IB_NO_ROUTER while this router stands by */
export function segmentOf(node: BusNode, name = ''): Serving {
  if (name !== node.config.segment.name) throw unknown('segment', name, [node.config.segment.name]);
  return node.bus;
}

/** The generation of the segment that a path names which those come to who come now. Rejects as `segmentOf` throws. */
export async function takerOf(node: BusNode, name: string | undefined): Promise<Routed> {
  segmentOf(node, name);
  return node.taker();
}
