/** The checks of indexbus, in the order in which they run and are reported. */
import { unendedComesAgain } from './again.ts';
import { limitsHold, slotsAreKept } from './bounds.ts';
import type { IndexBusCheck } from './check.ts';
import { dropsAreTold, lanesBalance, wantedIsDelivered } from './deliveries.ts';
import { claimedIsHanded } from './handed.ts';
import { atMostOnce, payloadIsWhole } from './once.ts';
import { keysKeepOrder, lanesKeepOrder } from './order.ts';
import { progress } from './progress.ts';
import { oneRouter, seatsAreFenced } from './seats.ts';
import { sentIsTaken, takenIsRouted } from './sources.ts';

/** Every check of the engine over what a witness saw. */
export const indexBusChecks: readonly IndexBusCheck[] = [
  sentIsTaken,
  takenIsRouted,
  wantedIsDelivered,
  lanesBalance,
  dropsAreTold,
  lanesKeepOrder,
  atMostOnce,
  payloadIsWhole,
  keysKeepOrder,
  claimedIsHanded,
  unendedComesAgain,
  slotsAreKept,
  limitsHold,
  seatsAreFenced,
  oneRouter,
  ...progress,
];
