import { gone, readError, readOnly, shortIo, syncError, writeError } from './diskErrors.ts';
import { full } from './diskFull.ts';
import { bitRot, lostWrite, lyingSync, misdirectedRead, misdirectedWrite, sectorError } from './diskMedia.ts';
import { compete, slow, slowSync, stall, throttle } from './diskSlow.ts';
import type { FaultDefinition } from './fault.ts';

/** Every fault of disks. What becomes of caches on a power loss is a parameter of `process.power-loss`. */
export const diskFaults: readonly FaultDefinition[] = [
  slowSync,
  slow,
  stall,
  throttle,
  compete,
  syncError,
  writeError,
  readError,
  sectorError,
  full,
  readOnly,
  gone,
  shortIo,
  bitRot,
  lostWrite,
  misdirectedWrite,
  misdirectedRead,
  lyingSync,
];
