/**
 * A partition's directory holds a later topic of the same name: the metadata here are older than these files, and must not cost them. Groups
 * are numbered upwards, so the later one is known by its number.
 */
export class DirectoryOfLater extends Error {
  override readonly name = 'DirectoryOfLater';
}

/** A partition's directory is gone, foreign, or shorter than its checkpoint: this replica has forgotten what it promised. */
export class PartitionRegressed extends Error {
  override readonly name = 'PartitionRegressed';
  readonly code = 'PARTITION_REGRESSED';
  readonly reason: 'missing' | 'foreign' | 'short' | 'state-lost';
  constructor(reason: PartitionRegressed['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}
