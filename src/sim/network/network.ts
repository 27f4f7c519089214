import { type Network, NetworkError } from '../../host/network.ts';
import type { SimProcess } from '../process.ts';
import type { World } from '../world.ts';

/** The network of a world. */
export class SimNetwork {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** The network as one process sees it. */
  of(_process: SimProcess): Network {
    return {
      listen: (address) => Promise.reject(new NetworkError('EADDRNOTAVAIL', 'listen', address)),
      connect: (address) => Promise.reject(new NetworkError('EHOSTUNREACH', 'connect', address)),
    };
  }
}
