import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout } from './clients.ts';
import { isData, mediaDamagedBefore, recoveredImages, servedImages } from './facts.ts';
import { requestsById } from './noPhantom.ts';

/** C4: what is absent after a finished recovery is absent for ever, unless somebody sends it again. */
export const noResurrection: StemeCheck = {
  name: 'no-resurrection',
  number: 'C4',
  claim: 'absent after a finished recovery => absent for ever, unless sent again',
  run(evidence) {
    const findings = new Findings('C4 no-resurrection');
    const attempts = requestsById(evidence);
    const images = servedImages(evidence);
    let compared = 0;
    for (const { life, image } of recoveredImages(evidence)) {
      const present = new Set(image.records.map((record) => record.id));
      for (const later of images) {
        if (later.image.order <= image.order) continue;
        // Healing a damaged disk gives back what the damage had hidden.
        if (mediaDamagedBefore(evidence, later.image.atMs)) continue;
        for (const record of later.image.records.filter(isData)) {
          compared++;
          if (present.has(record.id)) continue;
          const sentAgain = (attempts.get(record.id) ?? []).some(
            (request) => request.arrivedOrder > life.startedOrder && request.arrivedOrder < later.image.order,
          );
          if (sentAgain) continue;
          findings.add(
            `record ${record.id.slice(0, 12)} was absent when incarnation ${life.incarnation} had recovered, was not sent again, ` +
              `and is LSN ${record.lsn} in incarnation ${later.life.incarnation} (${later.moment})`,
            { atMs: later.image.atMs, fromMs: image.atMs, operations: operationsAbout(evidence, [record.id]) },
          );
        }
      }
    }
    return findings.result(`${recoveredImages(evidence).length} recoveries, ${compared} comparisons`);
  },
};
