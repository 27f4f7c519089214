import type { Entry } from '../../../src/consensus/types.ts';

/** Size of an entry as raftpb encodes it {Type = 1, Term = 2, Index = 3, Data = 4}: limits in the cases count so. */
export function protobufBytes({ term, index, data }: Entry): number {
  const payload = data.length === 0 ? 0 : 1 + varintBytes(data.length) + data.length;
  return 2 + 1 + varintBytes(term) + 1 + varintBytes(index) + payload;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
