import { describeDiskConformance } from '../../host/disk.conformance.ts';
import { createRig } from './rig.ts';

describeDiskConformance('simulated', async () => {
  const rig = createRig();
  await rig.settle(rig.disk.makeDirectory('/data'));
  return { disk: rig.disk, directory: '/data', settle: rig.settle, cleanUp: async () => {} };
});
