/** The checks of stemedb, in the order in which they run and are reported. */
import { ackAfterSync } from './ackAfterSync.ts';
import { ackedIsDurable } from './ackedIsDurable.ts';
import { bounds } from './bounds.ts';
import type { StemeCheck } from './check.ts';
import { failStop } from './failStop.ts';
import { indexIsFold, lensIsPure } from './indexIsFold.ts';
import { gathering, latency } from './latency.ts';
import { liveness } from './liveness.ts';
import { metricsAgree } from './metricsAgree.ts';
import { monotone } from './monotone.ts';
import { noBadByte } from './noBadByte.ts';
import { noPhantom } from './noPhantom.ts';
import { noResurrection } from './noResurrection.ts';
import { outcomes } from './outcomes.ts';
import { prefix } from './prefix.ts';
import { rate } from './rate.ts';
import { readYourWrites } from './readYourWrites.ts';
import { recoveryIdempotent } from './recoveryIdempotent.ts';
import { resources } from './resources.ts';
import { space } from './space.ts';
import { tailVerdict } from './tailVerdict.ts';

/** Every check of the engine, by number. */
export const stemeChecks: readonly StemeCheck[] = [
  ackedIsDurable,
  prefix,
  noPhantom,
  noResurrection,
  recoveryIdempotent,
  ackAfterSync,
  failStop,
  noBadByte,
  tailVerdict,
  readYourWrites,
  indexIsFold,
  monotone,
  space,
  latency,
  bounds,
  liveness,
  gathering,
  metricsAgree,
  rate,
  lensIsPure,
  outcomes,
  resources,
];
